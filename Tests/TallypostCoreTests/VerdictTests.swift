import TallypostCore
import Testing

@Suite struct VerdictTests {
    private func verdict(_ status: Int, forbidsRetry: Bool = false, alsoOn: Set<Int> = []) -> Verdict {
        Verdict(
            .response(Answer.Response(status: status, retryAfter: .seconds(7), forbidsRetry: forbidsRetry)), alsoOn: alsoOn)
    }

    @Test(arguments: 100...599)
    func `each HTTP status means what the contract says`(status: Int) {
        switch (status, verdict(status)) {
        case (200...299, .done(status)), (410, .gone): break
        case (408, .tryAgain(status, _, .seconds(7))), (409, .tryAgain(status, _, .seconds(7))): break
        case (425, .tryAgain(status, _, .seconds(7))), (429, .tryAgain(status, _, .seconds(7))): break
        case (500...599, .tryAgain(status, _, .seconds(7))): break
        case (100...199, .giveUp(status, _)), (300...399, .giveUp(status, _)): break
        case (400...499, .giveUp(status, _)) where ![408, 409, 410, 425, 429].contains(status): break
        case (_, let verdict): Issue.record("\(status) means \(verdict)")
        }
    }

    @Test(arguments: 100...599)
    func `the receiver may forbid another attempt whatever its status`(status: Int) {
        guard case .giveUp(status, let reason) = verdict(status, forbidsRetry: true) else {
            Issue.record("\(status) with Tallypost-Retry: no does not end the task")
            return
        }
        #expect(reason.contains("\(status)") && reason.contains("Tallypost-Retry"))
    }

    @Test func `a route may list more statuses to try again, but 2xx stays done and 410 stays gone`() {
        let listed: Set = [200, 302, 404, 410]
        guard case .tryAgain(404, _, .seconds(7)) = verdict(404, alsoOn: listed),
            case .tryAgain(302, _, _) = verdict(302, alsoOn: listed),
            case .done(200) = verdict(200, alsoOn: listed), case .gone = verdict(410, alsoOn: listed)
        else {
            Issue.record("404 \(verdict(404, alsoOn: listed)), 302 \(verdict(302, alsoOn: listed))")
            return
        }
        guard case .giveUp(403, _) = verdict(403, alsoOn: listed) else {
            Issue.record("403 \(verdict(403, alsoOn: listed))")
            return
        }
    }

    @Test func `no answer is worth another try, and what may never be sent is not`() {
        #expect(Verdict(.unanswered("reset"), alsoOn: []) == .tryAgain(status: nil, reason: "reset", retryAfter: nil))
        #expect(Verdict(.refused("loopback"), alsoOn: []) == .giveUp(status: nil, reason: "loopback"))
    }

    @Test func `a redirect says that it is not followed`() {
        guard case .giveUp(301, let reason) = verdict(301) else {
            Issue.record("301 means \(verdict(301))")
            return
        }
        #expect(reason.contains("redirect"))
    }
}
