package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Program is what one or more contestants run. It is built from Go or from C, or it is a command of the machine.
type Program struct {
	Name    string // the file in bin/
	Package string // of Go, its directory, or
	Source  string // of C, or
	Command string // of the machine
	Flags   []string
	Needs   []Need
}

// A Need is what a program cannot be built or run without, and the Debian package that has it.
type Need struct {
	Command string // or
	Header  string
	Debian  string
}

var (
	needGCC      = Need{Command: "gcc", Debian: "gcc"}
	needHeaders  = Need{Header: "stdio.h", Debian: "libc6-dev"}
	needLiburing = Need{Header: "liburing.h", Debian: "liburing-dev"}
	needLibuv    = Need{Header: "uv.h", Debian: "libuv1-dev"}
)

const binaries = "bin"

func (p Program) path() string {
	if p.Command != "" {
		return p.Command
	}
	return filepath.Join(binaries, p.Name)
}

// errAbsent marks what the machine lacks, as opposed to what is broken.
var errAbsent = errors.New("absent")

// build makes the program. It returns an error that is errAbsent if something must be installed first.
func (p Program) build(ctx context.Context) error {
	if err := p.missing(ctx); err != nil {
		return err
	}
	switch {
	case p.Package != "":
		return p.buildGo(ctx, p.path())
	case p.Source != "":
		args := []string{"-O2", "-Wall", "-Wextra", "-pthread", "-o", p.path(), p.Source}
		return output(exec.CommandContext(ctx, "gcc", append(args, p.Flags...)...))
	}
	return nil
}

// buildGo is also the way to the variant that counts allocations.
func (p Program) buildGo(ctx context.Context, path string, more ...string) error {
	args := append([]string{"build", "-o", path}, p.Flags...)
	return output(exec.CommandContext(ctx, "go", append(append(args, more...), p.Package)...))
}

func (p Program) missing(ctx context.Context) error {
	if source := p.Source + p.Package; source != "" {
		if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s is not there", errAbsent, source)
		}
	}
	for _, n := range p.Needs {
		if !n.met(ctx) {
			return fmt.Errorf("%w: needs %s", errAbsent, n.Debian)
		}
	}
	return nil
}

// met compiles a probe for a header: only the compiler knows where it looks.
func (n Need) met(ctx context.Context) bool {
	if n.Command != "" {
		_, err := exec.LookPath(n.Command)
		return err == nil
	}
	probe := exec.CommandContext(ctx, "gcc", "-fsyntax-only", "-x", "c", "-")
	probe.Stdin = strings.NewReader("#include <" + n.Header + ">\n")
	return probe.Run() == nil
}

// output runs a command that says nothing unless it fails.
func output(cmd *exec.Cmd) error {
	const enough = 6
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.SplitN(strings.TrimSpace(string(out)), "\n", enough+1)
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, strings.Join(lines[:min(len(lines), enough)], "\n"))
	}
	return nil
}

// cProgram is a file in servers/c.
func cProgram(name string, more ...Need) Program {
	flags := map[Need]string{needLiburing: "-luring", needLibuv: "-luv"}
	p := Program{Name: "c-" + name, Source: "servers/c/" + name + ".c", Needs: []Need{needGCC, needHeaders}}
	for _, n := range more {
		p.Needs = append(p.Needs, n)
		p.Flags = append(p.Flags, flags[n])
	}
	return p
}

// goProgram is a package of this module; flags are for go build.
func goProgram(name, dir string, flags ...string) Program {
	return Program{Name: name, Package: "./" + dir, Flags: flags}
}

// What makes load and prepares files is no contestant.
var (
	loadProgram    = goProgram("load", "load")
	mixedProgram   = goProgram("disk-mixedload", "disk/mixedload")
	prepareProgram = goProgram("disk-prepare", "disk/prepare")
	wrkProgram     = Program{Command: "wrk", Needs: []Need{{Command: "wrk", Debian: "wrk"}}}
)
