import CLinux
import Glibc
package import TallypostCore

/// An eventfd: what one thread makes readable so that another wakes from epoll or poll.
package final class EventDescriptor: Sendable {
    /// For epoll and poll; open as long as this object lives.
    package let descriptor: Int32

    /// Not readable yet.
    package init() {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        // Fails only without descriptors or memory at the process's start: nothing can run then.
        precondition(descriptor >= 0, "eventfd: error \(errno)")
    }

    /// Makes it readable. Never blocks: a counter that is full is readable already.
    package func raise() {
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Makes it unreadable.
    package func clear() {
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, MemoryLayout<UInt64>.size)
    }

    /// Sleeps until it is readable.
    package func wait() {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&entry, 1, -1) < 0, errno == EINTR {}
    }

    /// Sleeps until it is readable, at most so long; whether it is.
    package func wait(atMost span: TimeSpan) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, Int32(clamping: max(span.milliseconds, 0))) > 0
    }

    deinit { close(descriptor) }
}
