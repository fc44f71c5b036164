package loop_test

import (
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

func TestF10Xattr(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		get := func(start func(fn loop.IOFunc) loop.Op) (value []byte, err error) {
			start(func(b []byte, e error) { value, err = b, e })
			require.NoError(t, l.Run())
			return value, err
		}
		list := func(start func(fn loop.NamesFunc) loop.Op) (names []string) {
			start(func(n []string, err error) {
				require.NoError(t, err)
				names = slices.DeleteFunc(n, func(name string) bool { return name[:5] != "user." }) // the system may have its own
			})
			require.NoError(t, l.Run())
			return names
		}
		require.Empty(t, list(f.Listxattr))
		long := noise(1000) // more than is asked for at first
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Setxattr(f.Name(), "user.long", long, fn) }))
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Setxattr("user.empty", nil, fn) }))
		require.ElementsMatch(t, []string{"user.long", "user.empty"}, list(f.Listxattr))
		require.ElementsMatch(t, []string{"user.long", "user.empty"}, list(func(fn loop.NamesFunc) loop.Op { return l.Listxattr(f.Name(), fn) }))

		value, err := get(func(fn loop.IOFunc) loop.Op { return f.Getxattr("user.long", fn) })
		require.NoError(t, err)
		require.Equal(t, long, value)
		value, err = get(func(fn loop.IOFunc) loop.Op { return l.Getxattr(f.Name(), "user.empty", fn) })
		require.NoError(t, err)
		require.Empty(t, value)

		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Removexattr("user.empty", fn) }))
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Removexattr(f.Name(), "user.long", fn) }))
		require.Empty(t, list(f.Listxattr))

		_, err = get(func(fn loop.IOFunc) loop.Op { return f.Getxattr("user.long", fn) })
		require.EqualError(t, err, "getxattr "+f.Name()+": no data available")
		_, err = get(func(fn loop.IOFunc) loop.Op { return l.Getxattr("missing", "user.a", fn) })
		require.ErrorIs(t, err, syscall.ENOENT)
		_, err = get(func(fn loop.IOFunc) loop.Op { return l.Getxattr("", "user.a", fn) })
		require.ErrorIs(t, err, syscall.ENOENT, "an empty name is no open file")
		require.ErrorIs(t, result(t, l, func(fn loop.DoneFunc) { f.Setxattr("nonsense", nil, fn) }), syscall.EOPNOTSUPP)
		require.ErrorIs(t, result(t, l, func(fn loop.DoneFunc) { f.Removexattr("user.long", fn) }), syscall.ENODATA)
		require.NoError(t, result(t, l, f.Close))
	})
}
