.PHONY: test race epoll poll giouring gobench conformance bench bench-quick benchcmp lint cross fuzz e2e

test:     ; go test ./...
race:     ; go test -race ./...
epoll:    ; LOOP_BACKEND=epoll go test ./...
poll:     ; LOOP_BACKEND=poll go test ./...
giouring: ; go test -tags giouring -ldflags=-checklinkname=0 ./ring/giouring ./loop
gobench:  ; go test -run '^$$' -bench . ./ring ./fallback ./loop

# The suite beside every alternative: see bench/README.md. benchcmp compares the Go benchmarks of commit REF with the working tree's.
bench:       ; cd bench && go run .
bench-quick: ; cd bench && go run . -mode quick
benchcmp:    ; bench/benchcmp.sh $(REF) $(COUNT)

lint:     ; golangci-lint run ./...
fuzz:     ; for t in ring:FuzzPrep internal/sys:FuzzResolveTCP internal/sys:FuzzNextFileEvent internal/sys:FuzzUnixAddr internal/sys:FuzzResolveUDP internal/sys:FuzzPutName internal/dns:FuzzParse loop:FuzzLoop; do go test -run "^$$" -fuzz $${t#*:} -fuzztime 60s ./$${t%:*} || exit 1; done
conformance: ; go test -json -tags giouring -ldflags=-checklinkname=0 ./loop | go run ./internal/conformance -write
e2e:      ; examples/e2e_test.sh
cross:    ; for t in linux/arm64 linux/386 darwin/arm64 freebsd/amd64 windows/amd64; do GOOS=$${t%/*} GOARCH=$${t#*/} go vet ./... || exit 1; done
