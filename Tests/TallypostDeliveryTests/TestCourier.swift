import TallypostCore
import Testing

@testable import TallypostDelivery

/// A courier with one route, and what tests ask of it.
struct TestCourier: ~Copyable {
    let courier: CurlCourier
    let route: WireRoute
    private var nextID: Int64 = 1

    init(
        _ url: String, headers: [HeaderField] = [], tls: WireRoute.TLS = WireRoute.TLS(), allow: [String] = [],
        ownListeners: [ListenerAddress] = []
    ) throws {
        route = WireRoute(url: url, headers: headers, tls: tls)
        courier = try CurlCourier(
            CourierSettings(routes: ["t": route], allow: try AllowList(parsing: allow), ownListeners: ownListeners, version: "1"))
    }

    deinit { courier.close() }

    static func task(
        _ id: Int64, payload: [UInt8] = Array("{}".utf8), targetURL: String? = nil, headers: String? = nil, type: String = "t"
    ) -> ClaimedTask {
        let now = Timestamp(microseconds: 0)
        return ClaimedTask(
            id: id, epoch: 7, type: type, attempt: 1, payload: payload, idempotencyKey: "key-\(id)", targetURL: targetURL,
            headers: headers,
            runAt: now, createdAt: now)
    }

    /// Sends one and waits for its answer.
    mutating func deliver(
        payload: [UInt8] = Array("{}".utf8), targetURL: String? = nil, headers: String? = nil, timeout: TimeSpan = .seconds(10),
        type: String = "t"
    ) throws -> Answer {
        let id = nextID
        nextID += 1
        let url = targetURL ?? route.url ?? ""
        let origin = (try? CurlTargetParser().origin(of: url)) ?? Origin(scheme: "http", host: "invalid", port: 1)
        let task = Self.task(id, payload: payload, targetURL: targetURL, headers: headers, type: type)
        courier.send(Delivery(task: task, origin: origin, timeout: timeout, deadline: nil))
        let answers = try courier.answers(1)
        let answer = try #require(answers.first)
        #expect(answer.id == id && answer.epoch == 7)
        return answer
    }
}

/// Waiting took longer than any test may.
struct TooSlow: Error {}

extension CurlCourier {
    /// So many answers, or a throw after twenty seconds.
    func answers(_ count: Int) throws -> [Answer] {
        let end = MonotonicTime.now() + .seconds(20)
        var answers: [Answer] = []
        while answers.count < count {
            guard MonotonicTime.now() < end else { throw TooSlow() }
            _ = wait(timeout: .milliseconds(200))
            collect(into: &answers)
        }
        return answers
    }
}

extension Answer {
    var response: Response? { if case .response(let response) = result { response } else { nil } }
    var unanswered: String? { if case .unanswered(let reason) = result { reason } else { nil } }
    var refused: String? { if case .refused(let reason) = result { reason } else { nil } }
}
