/// Where signals and heartbeats of waiting tasks go in. One box belongs to one thread and has a connection of its own.
public protocol SignalBox: AnyObject {
    /// Connects (again). Throws `.connection` while the database is away.
    func open() throws(StoreError)

    /// Takes signals in, all in one transaction that has committed when this returns; the verdicts stand in the signals' order.
    ///
    /// The first signal of a task counts: it ends a task that waits, with all that follows from it, and is kept for one that does not
    /// wait yet. Of two in one call that name the same task the first is the earlier. After a throw nothing is known of any of
    /// them; the call may be repeated, and what was taken then answers as a repetition.
    func deliver(_ signals: [TaskSignal]) throws(StoreError) -> [SignalVerdict]

    /// Takes heartbeats in, likewise; each that is `taken` puts off the end of the wait by silence.
    func report(_ heartbeats: [Heartbeat]) throws(StoreError) -> [SignalVerdict]

    /// Gives back the connection. The box may be opened again.
    func close()
}

/// The word of somebody outside on how a waiting task ended.
public struct TaskSignal: Sendable, Equatable {
    /// `signal_token`, as it came; its form was checked (``TaskSignal/isToken(_:)``).
    public var token: String
    /// `completed`, or else `failed`.
    public var isCompleted: Bool
    /// JSON text without needless space; nil: none came. Signals are the same when their status and this text are.
    public var result: String?
    /// From where it came, for the event.
    public var sender: String

    /// Memberwise.
    public init(token: String, isCompleted: Bool, result: String?, sender: String) {
        self.token = token
        self.isCompleted = isCompleted
        self.result = result
        self.sender = sender
    }

    /// Whether a text can be a token at all: 32 bytes in base64url (43 characters, unpadded) or in hexadecimal (64).
    public static func isToken(_ text: String) -> Bool {
        let bytes = text.utf8
        switch bytes.count {
        case 64: return bytes.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0 | 0x20) }
        case 43:
            return bytes.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x5F
            }
        default: return false
        }
    }
}

/// A sign of life from the worker of a long task.
public struct Heartbeat: Sendable, Equatable {
    /// `signal_token`.
    public var token: String
    /// `progress`: JSON text; nil leaves what is there.
    public var progress: String?
    /// `checkpoint`: JSON text; nil leaves what is there.
    public var checkpoint: String?

    /// Memberwise.
    public init(token: String, progress: String?, checkpoint: String?) {
        self.token = token
        self.progress = progress
        self.checkpoint = checkpoint
    }
}

extension Heartbeat {
    /// One for each token, in the order of their first: what comes later goes before what came earlier, word by word.
    public static func merged(_ heartbeats: [Heartbeat]) -> [Heartbeat] {
        var merged: [Heartbeat] = []
        var places: [String: Int] = [:]
        for heartbeat in heartbeats {
            guard let place = places[heartbeat.token] else {
                places[heartbeat.token] = merged.count
                merged.append(heartbeat)
                continue
            }
            merged[place].progress = heartbeat.progress ?? merged[place].progress
            merged[place].checkpoint = heartbeat.checkpoint ?? merged[place].checkpoint
        }
        return merged
    }
}

/// What became of a signal or a heartbeat.
public enum SignalVerdict: Sendable, Equatable {
    /// Taken: the task has ended by it, or it is kept until the task waits. Of a heartbeat: written.
    case taken
    /// The same signal was taken before.
    case repeated
    /// Another signal was taken before.
    case conflicting
    /// The task has ended without it.
    case ended
    /// A heartbeat's task was cancelled: the worker should stop.
    case cancelled
    /// No task has this token.
    case unknown
}

extension SignalVerdict {
    /// Of a heartbeat for a task in this status; nil: one that no relay wrote.
    public init(heartbeatOf status: TaskStatus?) {
        switch status {
        case .cancelled: self = .cancelled
        case .completed, .failed, .timeout: self = .ended
        case .blocked, .pending, .processing, .waiting, nil: self = .taken
        }
    }
}
