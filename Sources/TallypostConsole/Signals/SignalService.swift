import TallypostCore

/// The public listener: signals, heartbeats, `/livez`, and nothing else.
///
/// The token in the path is the only credential, so a path never comes back in an answer or a log line.
final class SignalService: HTTPService {
    private let worker: SignalWorker
    private let misses: MissLimit
    private let health: Health

    init(
        makeBox: @escaping @Sendable () -> any SignalBox, misses: MissLimit, health: Health,
        notice: @escaping @Sendable (ConsoleNotice) -> Void
    ) {
        self.misses = misses
        worker = SignalWorker(makeBox: makeBox, misses: misses, notice: notice)
        self.health = health
    }

    /// Answers what waits, and ends.
    func stop() { worker.stop() }

    func respond(to request: HTTPRequest) -> HTTPResponse {
        let path = request.head.segments
        if path == ["livez"] {
            guard ["GET", "HEAD"].contains(request.head.method) else { return .now(Self.refusedMethod("GET, HEAD")) }
            return .now(health.live())
        }
        let isHeartbeat = path.count == 4 && path[3] == "progress"
        guard path.count == 3 || isHeartbeat, path[0] == "v1", path[1] == "signals" else { return .now(SignalAnswer.notFound) }
        guard request.head.method == "POST" else { return .now(Self.refusedMethod("POST")) }
        let sender = Self.sender(of: request)
        let now = ConsoleClock.now()
        // Before anything else is looked at: whoever guesses learns nothing more, and costs next to nothing.
        if let wait = misses.wait(sender.network, at: now) {
            return .now(
                .problem(.quotaExceeded, "too many unknown tokens came from this address; wait")
                    .adding("Retry-After", "\((wait.milliseconds + 999) / 1_000)"))
        }
        if isHeartbeat ? !request.body.isEmpty && !request.head.isJSON : !request.head.isJSON {
            return .now(.problem(.unsupportedMediaType, "send Content-Type: application/json"))
        }
        let message: SignalJob.Message
        do throws(SignalBody.Fault) {
            message = try Self.message(request, token: path[2], isHeartbeat: isHeartbeat, sender: sender.text)
        } catch {
            return .now(.problem(error.problem, error.detail))
        }
        guard TaskSignal.isToken(path[2]) else {
            misses.charge(sender.network, at: now)
            return .now(SignalAnswer.notFound)
        }
        return .later { [worker] exchange in
            if !worker.post(SignalJob(message: message, network: sender.network, exchange: exchange)) {
                exchange.finish(
                    .problem(.unavailable, "too many signals wait for the database; ask again").adding("Retry-After", "1"))
            }
        }
    }

    private static func message(
        _ request: HTTPRequest, token: String, isHeartbeat: Bool, sender: String
    ) throws(SignalBody.Fault) -> SignalJob.Message {
        if isHeartbeat {
            let (progress, checkpoint) = try SignalBody.heartbeat(request.body)
            return .heartbeat(Heartbeat(token: token, progress: progress, checkpoint: checkpoint))
        }
        let (isCompleted, result) = try SignalBody.signal(request.body)
        return .signal(TaskSignal(token: token, isCompleted: isCompleted, result: result, sender: sender))
    }

    private static func refusedMethod(_ allowed: String) -> HTTPAnswer {
        .problem(.methodNotAllowed, "only \(allowed) is allowed here").adding("Allow", allowed)
    }

    /// Who sent it. A proxy on this machine says so in `X-Forwarded-For`, whose last entry is its own; nobody else is believed.
    static func sender(of request: HTTPRequest) -> PeerAddress {
        guard request.peer.isLoopback, let entries = request.head.headers["x-forwarded-for"],
            let last = entries.split(separator: ",").last
        else { return request.peer }
        return PeerAddress(parsing: last.trimmingSpace()) ?? request.peer
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    func trimmingSpace() -> String {
        let start = drop { $0 == " " || $0 == "\t" }
        let end = start.lastIndex { $0 != " " && $0 != "\t" }
        return end.map { String(start[...$0]) } ?? ""
    }
}
