/// An answer: status, body, and the headers that are not the same on all.
struct HTTPAnswer: Sendable, Equatable {
    struct Header: Sendable, Equatable {
        var name: String
        var value: String
    }

    var status: Int
    var contentType: String
    var body: [UInt8]
    var headers: [Header] = []
    /// Sent instead of `body`, from where it lies.
    var file: OpenFile?

    /// After an error the connection is closed: what follows on it may be a rest that was never meant as a request.
    var closes: Bool { status >= 400 }

    /// A JSON document.
    static func json(_ status: Int = 200, _ build: (inout JSONBuilder) -> Void) -> HTTPAnswer {
        var json = JSONBuilder()
        json.object(build)
        return HTTPAnswer(status: status, contentType: "application/json", body: json.bytes)
    }

    /// A problem as RFC 9457 has it. `detail` says what is wrong and what mends it; no secret stands in it.
    static func problem(_ kind: Problem, _ detail: String, instance: String? = nil) -> HTTPAnswer {
        var json = JSONBuilder()
        json.object { json in
            json.name("type")
            json.string("urn:tallypost:problem:\(kind.name)")
            json.name("title")
            json.string(kind.title)
            json.name("status")
            json.integer(kind.status)
            json.name("detail")
            json.string(detail)
            if let instance {
                json.name("instance")
                json.string(instance)
            }
        }
        return HTTPAnswer(status: kind.status, contentType: "application/problem+json", body: json.bytes)
    }

    /// With another header.
    func adding(_ name: String, _ value: String) -> HTTPAnswer {
        var answer = self
        answer.headers.append(Header(name: name, value: value))
        return answer
    }
}

/// What can go wrong, each with the status that tells it and a name that programs may rely on.
enum Problem: String, CaseIterable, Sendable {
    case badRequest, unauthorized, notFound, methodNotAllowed, timeout, conflict, gone, contentTooLarge, unsupportedMediaType
    case misdirected, keyReused, unprocessable, quotaExceeded, tooManyHeaders, unavailable, defect

    var status: Int {
        switch self {
        case .badRequest: 400
        case .unauthorized: 401
        case .notFound: 404
        case .methodNotAllowed: 405
        case .timeout: 408
        case .conflict: 409
        case .gone: 410
        case .contentTooLarge: 413
        case .unsupportedMediaType: 415
        case .misdirected: 421
        case .keyReused, .unprocessable: 422
        case .quotaExceeded: 429
        case .tooManyHeaders: 431
        case .defect: 500
        case .unavailable: 503
        }
    }

    /// The last part of `type`: words joined by hyphens.
    var name: String {
        rawValue.reduce(into: "") { name, letter in
            if letter.isUppercase { name += "-" }
            name += letter.lowercased()
        }
    }

    var title: String {
        switch self {
        case .badRequest: "The request is malformed"
        case .unauthorized: "A token is needed"
        case .notFound: "Nothing is here"
        case .methodNotAllowed: "The method is not allowed here"
        case .timeout: "The request took too long"
        case .conflict: "It is in another state"
        case .gone: "It has ended"
        case .contentTooLarge: "The body is too large"
        case .unsupportedMediaType: "The body must be JSON"
        case .misdirected: "The host is not served here"
        case .keyReused: "The idempotency key belongs to another request"
        case .unprocessable: "It cannot be done"
        case .quotaExceeded: "Too many requests"
        case .tooManyHeaders: "Too many headers"
        case .defect: "A fault of the relay"
        case .unavailable: "Not now"
        }
    }
}
