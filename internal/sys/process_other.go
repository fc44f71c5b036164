//go:build !unix

package sys

import (
	"os"
	"syscall"
	"time"
)

const SIGCHLD = syscall.Signal(17)

type Child struct {
	Path     string
	Args     []string
	Env      []string
	Dir      string
	Files    []int
	Detached bool
	Attr     *syscall.SysProcAttr
}

type Exit struct {
	Code         int
	Signal       syscall.Signal
	User, System time.Duration
}

func (c *Child) Start() (pid, pidfd int, err error) { return 0, -1, errUnsupported }
func Catchable(os.Signal) bool                      { return false }
func Reap(int) (e Exit, ended bool, err error)      { return e, false, errUnsupported }
func ReapLater(int)                                 {}
func Kill(int, syscall.Signal) error                { return errUnsupported }
func ChildPipe(bool) (mine, childs int, err error)  { return -1, -1, errUnsupported }
func OpenNull() (fd int, err error)                 { return -1, errUnsupported }
