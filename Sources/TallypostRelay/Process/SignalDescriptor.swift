import CLinux
import Glibc

/// Signals as a descriptor, so that they are one more thing the dispatch loop waits for and no handler runs anywhere.
public final class SignalDescriptor {
    /// What the relay answers to.
    public enum Signal: Sendable {
        /// SIGTERM: stop.
        case terminate
        /// SIGINT: stop.
        case interrupt
        /// SIGHUP: read the configuration again.
        case hangup
    }

    /// A signalfd.
    public let descriptor: Int32

    /// Blocks the signals for this thread and all that it starts from now on, and ignores SIGPIPE (a reader of our output that
    /// goes away is no reason to die). Call before any thread is started.
    public init() {
        var mask = sigset_t()
        unsafe sigemptyset(&mask)
        for number in [SIGTERM, SIGINT, SIGHUP] { unsafe sigaddset(&mask, number) }
        unsafe pthread_sigmask(SIG_BLOCK, &mask, nil)
        signal(SIGPIPE, SIG_IGN)
        descriptor = unsafe signalfd(-1, &mask, Int32(SFD_NONBLOCK) | Int32(SFD_CLOEXEC))
        // Fails only when the process is out of descriptors while it starts.
        precondition(descriptor >= 0, "signalfd: error \(errno)")
    }

    deinit { close(descriptor) }

    /// The signals that came since the last call.
    public func take() -> [Signal] {
        var signals: [Signal] = []
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        while unsafe read(descriptor, &information, size) == size {
            switch Int32(information.ssi_signo) {
            case SIGTERM: signals.append(.terminate)
            case SIGINT: signals.append(.interrupt)
            case SIGHUP: signals.append(.hangup)
            default: break
            }
        }
        return signals
    }
}
