import CCurl
import Glibc
import TallypostCore

// What a finished transfer means, in an answer's words. The texts are for a person: they name hosts, addresses and times, and
// nothing of a URL beyond its host and port.
extension Transfer {
    func result(of code: CURLcode) -> Answer.Result {
        // A cut body is an answer all the same: the receiver has said its status.
        if code == CURLE_OK || (code == CURLE_WRITE_ERROR && isBodyCut) { return response() }
        if let refusal, wasRefusedOnReuse || attemptedConnections == 0 { return .refused(refusal) }
        return .unanswered(fault(code))
    }

    /// It was written on a kept-alive connection that its receiver had closed; a second try by libcurl itself was prevented.
    func diedOnReuse(_ code: CURLcode) -> Bool {
        code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_COULDNT_CONNECT && writes >= 2
    }

    private func response() -> Answer.Result {
        var status = 0
        unsafe curl_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
        var response = Answer.Response(status: status, body: takeBody(), bodyWasCut: isBodyCut)
        if let word = header("Tallypost-Retry") { response.forbidsRetry = word.lowercased() == "no" }
        if !(200..<300).contains(status), let value = header("Retry-After") {
            let now = MonotonicTime.timeOfDay().microseconds.flooredDivision(by: 1_000_000).quotient
            response.retryAfter = RetryAfter.span(value, date: header("Date"), now: now)
        }
        if let batchKeys, (200..<300).contains(status) {
            response.failures = BatchAnswer.failures(in: response.body, wasCut: isBodyCut, of: batchKeys)
        }
        return .response(response)
    }

    /// A header of the final answer, the first of its name, without white space around it.
    private func header(_ name: String) -> String? {
        var found: UnsafeMutablePointer<curl_header>?
        guard unsafe curl_easy_header(easy, name, 0, UInt32(CURLH_HEADER), -1, &found) == CURLHE_OK, let found = unsafe found
        else { return nil }
        return unsafe String(cString: found.pointee.value)
    }

    private var place: String { "\(origin.host):\(origin.port)" }

    private func fault(_ code: CURLcode) -> String {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST: return "no address was found for \(origin.host)"
        case CURLE_COULDNT_CONNECT where writes < 2: return connectFault()
        case CURLE_ABORTED_BY_CALLBACK, CURLE_COULDNT_CONNECT:
            return "the kept-alive connection to \(place) was closed while the request was sent; whether it arrived is unknown"
        case CURLE_OPERATION_TIMEDOUT: return timeoutFault()
        case CURLE_GOT_NOTHING: return "\(place) closed the connection without an answer"
        case CURLE_PARTIAL_FILE: return "the answer broke off after \(body.count) bytes of its body"
        case CURLE_RECV_ERROR, CURLE_SEND_ERROR:
            let moment = headBytes == 0 ? "before an answer came" : "in the middle of the answer"
            return "the connection to \(place) broke \(moment)\(systemReason())"
        case CURLE_WRITE_ERROR where isHeadTooLong, CURLE_OUT_OF_MEMORY:
            return "the answer's headers are longer than \(Self.longestHead) bytes"
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY: return "the answer is not HTTP/1.1"
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_SHUTDOWN_FAILED:
            return "TLS: \(tlsReason(code))"
        default: return unsafe String(cString: curl_easy_strerror(code))
        }
    }

    private func connectFault() -> String {
        if socketFault != 0 { return "no socket could be opened: \(unsafe String(cString: strerror(socketFault)))" }
        let peer = lastAddress.map { $0.address.description(port: $0.port) } ?? place
        var number = 0
        unsafe curl_get_long(easy, CURLINFO_OS_ERRNO, &number)
        switch Int32(truncatingIfNeeded: number) {
        case ECONNREFUSED: return "connection refused by \(peer)"
        case 0: return "no connection to \(peer)"
        case let other: return "no connection to \(peer): \(unsafe String(cString: strerror(other)))"
        }
    }

    private func timeoutFault() -> String {
        if writes == 0 { return "no connection to \(place) within \(Self.text(of: min(timeout, Self.connectTimeout)))" }
        let span = Self.text(of: timeout)
        return headBytes == 0 ? "no answer within \(span)" : "the answer was not whole within \(span)"
    }

    private func systemReason() -> String {
        var number = 0
        unsafe curl_get_long(easy, CURLINFO_OS_ERRNO, &number)
        return number == 0 ? "" : ": \(unsafe String(cString: strerror(Int32(truncatingIfNeeded: number))))"
    }

    private func tlsReason(_ code: CURLcode) -> String {
        var message = Substring(errorMessage)
        for opening in ["SSL certificate problem: ", "SSL: "] where message.hasPrefix(opening) {
            message = message.dropFirst(opening.count)
        }
        return message.isEmpty ? unsafe String(cString: curl_easy_strerror(code)) : String(message)
    }

    private static func text(of span: TimeSpan) -> String {
        span.milliseconds % 1_000 == 0 ? "\(span.milliseconds / 1_000) s" : "\(span.milliseconds) ms"
    }
}
