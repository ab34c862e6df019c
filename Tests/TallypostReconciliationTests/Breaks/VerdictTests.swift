import TallypostCore
import Testing

@testable import TallypostReconciliation

struct VerdictTests {
    private func decide(_ change: (inout VerdictEvidence) -> Void) -> (status: ReportStatus, reasons: [String]) {
        var evidence = VerdictEvidence()
        change(&evidence)
        return ReportStatus.decide(evidence)
    }

    private func entry(_ state: BreakState) -> Break {
        Break(
            finding: .init(kind: .failed, severity: .low, type: "charge", key: "1", detail: ""), state: state,
            firstSeen: moment(0),
            lastSeen: moment(0))
    }

    @Test func `nothing wrong is clean, and so are breaks that do not count`() {
        #expect(decide { _ in }.status == .clean)
        #expect(decide { $0.breaks = [entry(.cleared), entry(.resolved), entry(.unconfirmed)] }.status == .clean)
    }

    @Test func `a break is a break, acknowledged or not, listed or not`() {
        #expect(decide { $0.breaks = [entry(.open)] }.status == .breaks)
        #expect(decide { $0.breaks = [entry(.acknowledged)] }.status == .breaks)
        #expect(decide { $0.breaksNotListed = 1 }.status == .breaks)
    }

    @Test func `what is left over or was not looked at makes it incomplete, and each reason is a sentence`() {
        func reason(_ change: (inout VerdictEvidence) -> Void) -> [String] {
            let (status, reasons) = decide {
                $0.breaks = [entry(.open)]
                change(&$0)
            }
            #expect(status == .incomplete)
            return reasons
        }
        var line = RollForwardLine(series: Series(type: "charge", currency: "EUR"))
        line.residual = Tally(count: -1, amount: -500)
        line.live = Tally(count: 2, amount: 0)
        #expect(
            reason { $0.rollForward = [line] } == [
                "Roll-forward of charge in EUR: residual -1 row, EUR -5.00.",
                "Roll-forward of charge in EUR: closing and live table differ by -2 rows, EUR 0.00.",
            ])
        var business = BusinessBridge(rule: "paid", type: "charge", currency: nil)
        business.expected = Tally(count: 1, amount: 0)
        #expect(reason { $0.businessBridges = [business] } == ["Business bridge of rule paid: residual 1 row."])
        var receiver = ReceiverBridge(source: "stripe", file: "may.csv", currency: "JPY")
        receiver.theirs = Tally(count: 0, amount: 3)
        #expect(
            reason { $0.receiverBridges = [receiver] } == [
                "Receiver bridge of stripe, file may.csv: residual 0 rows, JPY -3."
            ])
        #expect(
            reason { $0.failedRules = [.init(name: "paid", reason: "it took longer than 30 s")] } == [
                "Rule paid could not be run: it took longer than 30 s."
            ])
        #expect(
            reason { $0.quarantines = [.init(file: "may.csv", rows: 1), .init(file: "june.csv", rows: 0)] } == [
                "Ledger may.csv: 1 row was set aside as unreadable."
            ])
        #expect(
            reason { $0.findingsNotListed = [.failed: 7] } == ["7 more findings of class failed are counted, not listed."])
        #expect(reason { $0.further = ["The register was not read."] } == ["The register was not read."])
    }
}

@Suite struct CorrectedLedgerTests {
    private func file(
        _ id: Int64, source: String = "stripe", rows: Int64 = 40, bad: Int64 = 4, from: Int64 = 100, to: Int64 = 200
    ) -> ImportSummary {
        ImportSummary(
            id: id, source: source, file: "may.csv", sha256: "", rows: rows, quarantined: bad,
            from: Timestamp(microseconds: from), to: Timestamp(microseconds: to), asOf: Timestamp(microseconds: 300),
            madeAt: Timestamp(microseconds: 300), madeBy: "anna", bridges: "[]", summary: "{}")
    }

    @Test func `only a later, no smaller file of the same receiver over the same window corrects one with bad rows`() {
        let first = file(1)
        #expect(file(2, rows: 44, bad: 0).corrects(first))
        #expect(file(2, rows: 50, bad: 0, from: 90, to: 210).corrects(first))
        #expect(!first.corrects(first))
        #expect(!first.corrects(file(2)))
        #expect(!file(2, source: "mailer", rows: 44, bad: 0).corrects(first))
        #expect(!file(2, rows: 4, bad: 0).corrects(first))
        #expect(!file(2, rows: 44, bad: 0, from: 101).corrects(first))
        #expect(!file(2, rows: 44, bad: 0, to: 199).corrects(first))
    }
}
