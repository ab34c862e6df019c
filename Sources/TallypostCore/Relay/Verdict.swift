/// What an answer means for its task (contract, section 3), before attempts and deadlines are counted.
public enum Verdict: Sendable, Equatable {
    /// 2xx.
    case done(status: Int)
    /// Worth another attempt, not sooner than `retryAfter`.
    case tryAgain(status: Int?, reason: String, retryAfter: TimeSpan?)
    /// A dead letter at once.
    case giveUp(status: Int?, reason: String)
    /// 410: a dead letter, and the route pauses.
    case gone(reason: String)

    /// Judges one answer. `alsoOn` lists the statuses that the route retries beside the usual ones.
    public init(_ result: Answer.Result, alsoOn: Set<Int>) {
        switch result {
        case .unanswered(let reason): self = .tryAgain(status: nil, reason: reason, retryAfter: nil)
        case .refused(let reason): self = .giveUp(status: nil, reason: reason)
        case .response(let response):
            let status = response.status
            if response.forbidsRetry {
                self = .giveUp(status: status, reason: "answered \(status) with Tallypost-Retry: no")
                return
            }
            switch status {
            case 200...299: self = .done(status: status)
            case 410: self = .gone(reason: "answered 410 Gone")
            case 408, 409, 425, 429, 500...599:
                self = .tryAgain(status: status, reason: "answered \(status)", retryAfter: response.retryAfter)
            case _ where alsoOn.contains(status):
                self = .tryAgain(status: status, reason: "answered \(status)", retryAfter: response.retryAfter)
            case 300...399: self = .giveUp(status: status, reason: "answered \(status); redirects are never followed")
            default: self = .giveUp(status: status, reason: "answered \(status)")
            }
        }
    }
}
