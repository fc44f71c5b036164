package loop_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/proactor-go/proactor/loop"
)

func ExampleFileWatcher() {
	l := newLoop()
	defer l.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w, err := l.NewFileWatcher()
	if err != nil {
		log.Fatal(err)
	}
	w.Watch(func(e loop.FileEvent, err error) {
		if err != nil {
			return // closed
		}
		if e.Op&loop.FileCreated != 0 {
			fmt.Println("created:", filepath.Base(e.Name))
			w.Close(nil)
		}
	})
	w.Add(dir, true, func(error) {
		l.Mkdir(filepath.Join(dir, "new"), 0o700, nil)
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: created: new
}
