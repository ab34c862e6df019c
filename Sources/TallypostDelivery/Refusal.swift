/// Why a request is not sent and never may be. For a person; holds no secret and nothing of a URL but its host.
struct Refusal: Error, Sendable, Equatable {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}
