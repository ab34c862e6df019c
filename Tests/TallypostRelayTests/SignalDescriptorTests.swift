import Glibc
import TallypostCore
import Testing

@testable import TallypostRelay

@Suite struct SignalDescriptorTests {
    @Test func `signals to the process are read, not suffered`() async {
        // On a thread of its own, to which the signals are sent, so that the other tests' threads never see them.
        await #expect(processExitsWith: .success) {
            let signals = SignalDescriptor()
            func hear(_ signal: Int32) -> [SignalDescriptor.Signal] {
                pthread_kill(pthread_self(), signal)
                var entry = pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)
                _ = unsafe poll(&entry, 1, 5_000)
                return signals.take()
            }
            precondition(hear(SIGHUP) == [.hangup])
            precondition(hear(SIGINT) == [.interrupt])
            precondition(hear(SIGTERM) == [.terminate])
            precondition(signals.take().isEmpty)
            var ends: [Int32] = [0, 0]
            _ = unsafe pipe(&ends)
            close(ends[0])
            precondition(unsafe write(ends[1], [1], 1) == -1 && errno == EPIPE)
        }
    }

    @Test func `the monotonic clock does not go back`() {
        var last = MonotonicClock.now()
        for _ in 0..<1_000 {
            let now = MonotonicClock.now()
            #expect(now >= last)
            last = now
        }
    }
}
