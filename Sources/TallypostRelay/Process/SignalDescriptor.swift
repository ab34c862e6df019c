import CLinux
import Glibc

/// SIGTERM, SIGINT and SIGHUP as something to read, so that the dispatch loop hears them between two steps and no handler
/// runs in the middle of one.
public final class SignalDescriptor: Sendable {
    /// What came in.
    public enum Signal: Sendable, Equatable {
        /// SIGTERM: stop.
        case terminate
        /// SIGINT: stop, says a terminal.
        case interrupt
        /// SIGHUP: read the configuration again.
        case hangup
    }

    /// Readable while signals wait.
    public let descriptor: Int32

    /// Blocks the three signals in this thread, and so in all that it starts, and ignores SIGPIPE. Call it before any thread
    /// starts: a thread with the old mask would be killed by the signal.
    public init() {
        ignoreBrokenPipes()
        var mask = Self.mask
        unsafe pthread_sigmask(SIG_BLOCK, &mask, nil)
        descriptor = unsafe signalfd(-1, &mask, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        precondition(descriptor >= 0, "signalfd: error \(errno)")
    }

    /// The signals since the last call, in the kernel's order; the same one twice in between may come once.
    public func take() -> [Signal] {
        var signals: [Signal] = []
        var information = signalfd_siginfo()
        while unsafe read(descriptor, &information, MemoryLayout<signalfd_siginfo>.size) == MemoryLayout<signalfd_siginfo>.size {
            switch Int32(information.ssi_signo) {
            case SIGTERM: signals.append(.terminate)
            case SIGINT: signals.append(.interrupt)
            case SIGHUP: signals.append(.hangup)
            default: break
            }
        }
        return signals
    }

    private static var mask: sigset_t {
        var mask = sigset_t()
        unsafe sigemptyset(&mask)
        for signal in [SIGTERM, SIGINT, SIGHUP] { unsafe sigaddset(&mask, signal) }
        return mask
    }

    deinit { close(descriptor) }
}

/// A reader that went away must show as EPIPE at the write, not end the process.
public func ignoreBrokenPipes() {
    _ = signal(SIGPIPE, SIG_IGN)
}
