package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/proactor-go/proactor/bench/internal/proc"
	"github.com/proactor-go/proactor/bench/internal/result"
)

// A host makes runs: it knows which cores are whose and where the files are.
type host struct {
	serverCores []int
	clientCores []int
	dir         string // stands for $DIR in the arguments
	ports       ports
}

// A job is a run that is to be made.
type job struct {
	Cell
	contestant Contestant
	binary     string // in place of the contestant's own, if not empty
	env        []string
	rate       float64 // messages per second of an open loop
	// watch is called with the measured process when it runs, and what it returns when the measurement is over.
	watch func(pid int) (end func())
}

// commands are what a job runs; the client's is empty if there is none.
type commands struct {
	Contestant string   `json:"contestant"`
	Cell       string   `json:"cell"`
	Env        []string `json:"env,omitempty"`
	Server     []string `json:"server"`
	Client     []string `json:"client,omitempty"`
}

// drive makes a run.
func (h *host) drive(ctx context.Context, j job) (Run, commands, error) {
	ctx, cancel := context.WithTimeout(ctx, j.Warmup+j.Window+30*time.Second)
	defer cancel() // and with it go all processes of this run
	run := Run{Cell: j.Name, Contestant: j.contestant.Name, Started: time.Now(), Conns: j.Conns, Pipeline: j.Pipeline}
	cmds := commands{Contestant: j.contestant.Name, Cell: j.Name, Env: j.contestant.Env}
	var err error
	if j.scenario().Driver == alone {
		err = h.driveAlone(ctx, j, &run, &cmds)
	} else {
		err = h.driveServer(ctx, j, &run, &cmds)
	}
	switch {
	case err != nil:
	case run.Errors != 0:
		err = fmt.Errorf("%d errors: %s", run.Errors, run.Note)
	case run.Ops == 0 && j.Conns > 0: // a disk may be slower than a short window
		err = errors.New("no operation finished within the window")
	}
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return run, cmds, err
}

func (h *host) driveAlone(ctx context.Context, j job, run *Run, cmds *commands) error {
	cmds.Server = slices.Concat([]string{j.path()}, j.Args, j.times(), j.contestant.Args)
	p := newProcess(ctx, h.expand(cmds.Server), slices.Concat(j.contestant.Env, j.env))
	if err := p.start(slices.Concat(h.serverCores, h.clientCores)); err != nil {
		return err
	}
	defer p.kill()
	end := j.observe(p.Process.Pid)
	err := p.Wait()
	end()
	if err != nil {
		return p.explain(err)
	}
	run.Result, err = result.Parse([]byte(p.stdout.String()))
	return err
}

func (h *host) driveServer(ctx context.Context, j job, run *Run, cmds *commands) error {
	addr, err := h.ports.next()
	if err != nil {
		return err
	}
	if cmds.Server, err = h.serverCommand(j, addr); err != nil {
		return err
	}
	p := newProcess(ctx, h.expand(cmds.Server), slices.Concat(j.contestant.Env, j.env))
	s, err := startServer(p, h.serverCores, addr, j.contestant.Silent)
	if err != nil {
		return err
	}
	defer s.stop()
	if rss, err := proc.RSS(s.Process.Pid); err == nil {
		run.BaseRSS = uint64(rss)
	}
	end := j.observe(s.Process.Pid)
	err = h.driveClient(ctx, j, s, run, cmds)
	end()
	if err == nil && !s.stop() {
		err = s.explain(errors.New("the server ended during the run"))
	}
	return err
}

func (h *host) driveClient(ctx context.Context, j job, s *server, run *Run, cmds *commands) error {
	cmds.Client = clientCommand(j, s.addr, s.Process.Pid)
	client := newProcess(ctx, h.expand(cmds.Client), nil)
	if j.scenario().Driver == underWrk {
		return h.driveWrk(client, s.Process.Pid, run)
	}
	if err := client.run(h.clientCores); err != nil {
		return err
	}
	var err error
	run.Result, err = result.Parse([]byte(client.stdout.String()))
	return err
}

// driveWrk measures the server from outside: wrk knows nothing of it. The window is the whole of wrk's run.
func (h *host) driveWrk(wrk *process, pid int, run *Run) error {
	before, err := sampleFamily(pid)
	if err != nil {
		return err
	}
	if err := wrk.run(h.clientCores); err != nil {
		return err
	}
	after, err := sampleFamily(pid)
	if err != nil {
		return err
	}
	if run.Result, err = parseWrk(wrk.stdout.String()); err != nil {
		return err
	}
	used := after.Sub(before)
	run.CPUS, run.CPUUserS, run.CPUSysS = used.CPU.Seconds(), used.User.Seconds(), used.System.Seconds()
	run.CtxSwitches, run.RSSBytes = new(uint64(used.ContextSwitches)), uint64(used.RSS)
	run.ClientCPUS = (wrk.ProcessState.UserTime() + wrk.ProcessState.SystemTime()).Seconds()
	return nil
}

func clientCommand(j job, addr string, pid int) []string {
	measured := slices.Concat(j.Args, j.times(), []string{"-pid", strconv.Itoa(pid)})
	switch j.scenario().Driver {
	case underPair:
		return slices.Concat([]string{mixedProgram.path(), "-addr", addr}, measured)
	case underWrk:
		seconds := int(math.Ceil((j.Warmup + j.Window).Seconds())) // it counts in whole ones
		more := []string{fmt.Sprintf("-d%ds", seconds), "--latency", "http://" + addr + "/"}
		return slices.Concat([]string{wrkProgram.path()}, j.Args, more)
	}
	if j.rate > 0 {
		measured = append(measured, "-rate", strconv.FormatFloat(math.Round(j.rate), 'f', -1, 64))
	}
	return slices.Concat([]string{loadProgram.path(), "-addr", addr}, measured)
}

func (h *host) serverCommand(j job, addr string) ([]string, error) {
	if j.contestant.Program.Command == "nginx" {
		return []string{"nginx", "-c", "$DIR/nginx.conf"}, writeNginxConf(h.dir, addr)
	}
	command := []string{j.path(), "-addr", addr}
	if j.scenario().Driver == underPair {
		command = append(command, "-file", "$DIR/blocks")
	}
	return append(command, j.contestant.Args...), nil
}

func (j job) path() string {
	if j.binary != "" {
		return j.binary
	}
	return j.contestant.Program.path()
}

func (j job) times() []string {
	return []string{"-warmup", j.Warmup.String(), "-duration", j.Window.String()}
}

func (j job) observe(pid int) (end func()) {
	if j.watch == nil {
		return func() {}
	}
	return j.watch(pid)
}

func (h *host) expand(args []string) []string {
	expanded := make([]string, len(args))
	for i, arg := range args {
		expanded[i] = strings.ReplaceAll(arg, "$DIR", h.dir)
	}
	return expanded
}
