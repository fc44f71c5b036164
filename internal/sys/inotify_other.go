//go:build !linux

package sys

import "errors"

const FileEventBuffer = 1

func FileEvents() (int, error)                              { return -1, errors.ErrUnsupported }
func FileWatch(int, string, bool) (int32, error)            { return -1, errors.ErrUnsupported }
func FileUnwatch(int, int32) error                          { return errors.ErrUnsupported }
func NextFileEvent([]byte) (e FileEvent, _ []byte, ok bool) { return e, nil, false }
