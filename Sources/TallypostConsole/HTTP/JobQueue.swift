import CLinux
import Glibc
import Synchronization
import TallypostCore

/// Work for one thread: any may post, one takes, and at most `capacity` jobs wait.
final class JobQueue<Job: Sendable>: Sendable {
    private struct State: Sendable {
        var jobs: [Job] = []
        var isClosed = false
    }

    private let capacity: Int
    private let state = Mutex(State())
    private let event: Int32

    init(capacity: Int) {
        self.capacity = capacity
        event = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        // Fails only without descriptors or memory at the process's start: nothing can run then.
        precondition(event >= 0, "eventfd: error \(errno)")
    }

    deinit { close(event) }

    /// Puts a job in; false, and nothing is kept, when it is full or closed. Never blocks.
    func post(_ job: Job) -> Bool {
        state.withLock { state in
            guard state.jobs.count < capacity, !state.isClosed else { return false }
            state.jobs.append(job)
            if state.jobs.count == 1 { raise() }
            return true
        }
    }

    /// Takes what waits, oldest first, at most `limit`; sleeps until something does, at most `span` (nil: for ever), and is
    /// empty when nothing came. Nil when the queue is closed and nothing waits.
    func take(_ limit: Int, within span: TimeSpan?) -> [Job]? {
        let deadline = span.map { ConsoleClock.now() + $0 }
        while true {
            let (taken, isClosed) = state.withLock { state -> ([Job], Bool) in
                let taken = Array(state.jobs.prefix(limit))
                state.jobs.removeFirst(taken.count)
                if state.jobs.isEmpty && !state.isClosed { clear() }
                return (taken, state.isClosed)
            }
            if !taken.isEmpty { return taken }
            if isClosed { return nil }
            var wait: Int32 = -1
            if let deadline {
                let rest = deadline - ConsoleClock.now()
                if rest <= .zero { return [] }
                wait = Int32(clamping: rest.milliseconds + 1)
            }
            var entry = pollfd(fd: event, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&entry, 1, wait)
        }
    }

    /// Nothing more comes in; what waits is still handed out.
    func close() {
        state.withLock { state in
            state.isClosed = true
            raise()
        }
    }

    private func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    private func raise() {
        var one: UInt64 = 1
        _ = unsafe write(event, &one, MemoryLayout<UInt64>.size)
    }

    private func clear() {
        var count: UInt64 = 0
        _ = unsafe read(event, &count, MemoryLayout<UInt64>.size)
    }
}

/// The console's clock: never set back, and counting through suspend.
enum ConsoleClock {
    static func now() -> Instant {
        var time = timespec()
        let status = unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        precondition(status == 0, "clock_gettime: the clock is not there")
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
