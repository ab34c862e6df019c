import TallypostCore
import TallypostReconciliation

/// A report as a shop would have it, in three states; and hostile or huge on demand.
enum SampleReport {
    static let asOf = Timestamp(microseconds: 1_795_133_700_000_000)  // 2026-11-20T00:15:00Z
    private static let hour: Int64 = 3_600_000_000

    static func ago(hours: Int64) -> Timestamp { Timestamp(microseconds: asOf.microseconds - hours * hour) }

    static func empty() -> ReconciliationReport {
        var report = ReconciliationReport(
            database: "postgres://shop@db.internal/shop",
            period: Period(
                from: Timestamp(microseconds: 1_795_046_400_000_000), to: Timestamp(microseconds: 1_795_132_800_000_000),
                zone: "Europe/London", label: "2026-11-19"),
            asOf: asOf, version: "0.5.0")
        report.run = 1_204
        report.exponents = ["GBP": 2, "JPY": 0, "KWD": 3]
        return report
    }

    static func clean() -> ReconciliationReport {
        var report = empty()
        report.parameters = [("staleAfter", "1h"), ("zone", "Europe/London"), ("lag", "15m"), ("statementTimeout", "30s")]
        report.rules = [
            .init(
                name: "paid-order-has-charge", hash: Digest.hex(Digest.sha256([1])),
                text: """
                    -- rule: paid-order-has-charge
                    -- severity: high
                    -- owner: finance-ops
                    -- grace: 15m
                    -- expect: one completed charge per orders.id where state = 'paid' amount total_minor currency currency at paid_at
                    """,
                sql: """
                    SELECT o.id AS key, o.total_minor AS amount_minor, o.currency, o.paid_at AS at
                    FROM orders o
                    WHERE o.state = 'paid' AND NOT EXISTS (
                        SELECT 1 FROM pending_tasks t
                        WHERE t.type = 'charge' AND t.subject = o.id AND t.status <> 'cancelled')
                    """, owner: "finance-ops")
        ]
        report.sources = [
            .init(name: "pending_tasks", logic: "every row, by id, in one snapshot", rows: 18_412_077),
            .init(name: "orders", logic: "rows with state = 'paid', paid before the cut-off", rows: 8_214),
            .init(name: "ledger stripe", logic: "payouts-2026-11-19.csv, SHA-256 4c0ffee…", rows: 8_233),
        ]
        report.rollForward = [
            line("charge", "GBP", [(41, 390_250), (8_214, 61_237_710), (2, 8_800), (8_230, 61_355_510), (1, 2_000)]),
            line("charge", "JPY", [(3, 12_400), (902, 4_410_300), (0, 0), (899, 4_398_100), (0, 0)]),
            line("charge", "KWD", [(1, 1_250), (17, 912_345), (0, 0), (18, 913_595), (0, 0)]),
            line("send-receipt", nil, [(12, 0), (9_116, 0), (0, 0), (9_127, 0), (0, 0)]),
        ]
        report.ageing = [
            ageing("charge", "GBP", [(18, 190_250), (5, 58_000), (0, 0), (2, 21_000), (0, 0), (0, 0), (0, 0), (1, 10_000)]),
            ageing("charge", "JPY", [(4, 12_600), (2, 12_000)]), ageing("send-receipt", nil, [(1, 0)]),
        ]
        for (currency, tally) in [
            ("GBP", Tally(count: 8_214, amount: 61_237_710)), ("JPY", Tally(count: 902, amount: 4_410_300)),
        ] {
            var bridge = BusinessBridge(rule: "paid-order-has-charge", type: "charge", currency: currency)
            (bridge.expected, bridge.tasks) = (tally, tally)
            report.businessBridges.append(bridge)
        }
        var receiver = ReceiverBridge(source: "stripe", file: "payouts-2026-11-19.csv", currency: "GBP")
        receiver.ours = Tally(count: 8_230, amount: 61_355_510)
        receiver.theirs = receiver.ours
        report.receiverBridges = [receiver]
        report.flow = (1...30).map { day in
            let created = Int64(8_000 + (day * 937) % 1_900)
            return .init(
                day: "2026-\(day <= 11 ? "10" : "11")-\(two(day <= 11 ? day + 20 : day - 11))", created: created,
                completed: created - Int64(day * 31 % 97), cancelled: Int64(day % 5) * 40)
        }
        report.history = (0..<60).map { index in
            .init(
                asOf: ago(hours: Int64(60 - index) * 12),
                bySeverity: [.critical: index % 17 == 0 ? 2 : 0, .high: (index * 7) % 5, .medium: index % 4, .low: index % 3])
        }
        return report
    }

    static func breaks() -> ReconciliationReport {
        var report = clean()
        report.status = .breaks
        report.businessBridges[0].missing = Tally(count: 2, amount: 9_900)
        report.businessBridges[0].orphans = Tally(count: 1, amount: 6_000)
        report.businessBridges[0].amountDifferences = Tally(count: 0, amount: 4_500)
        report.businessBridges[0].expected = Tally(count: 8_215, amount: 61_237_110)
        report.receiverBridges[0].ours = Tally(count: 8_230, amount: 61_355_510)
        report.receiverBridges[0].oursOnly = Tally(count: 1, amount: 4_500)
        report.receiverBridges[0].theirsOnly = Tally(count: 1, amount: 9_900)
        report.receiverBridges[0].repeats = Tally(count: 1, amount: 6_000)
        report.receiverBridges[0].theirs = Tally(count: 8_231, amount: 61_366_910)
        report.rollForward[0].late = Tally(count: 3, amount: 4_100)
        report.breaks = [
            item(
                .doneTwice, .critical, "order-8812", 6_000, "GBP", hours: 16, owner: "payments", .new,
                "The ledger has ch_1N and ch_2P for one key."),
            item(
                .theyHaveWeDont, .critical, "order-9001", 9_900, "GBP", hours: 20, owner: "payments", .new,
                "The ledger has ch_77 of 2026-11-19; the task is failed."),
            item(
                .weSayDoneTheyDont, .critical, "order-7710", 4_500, "GBP", hours: 26, owner: "payments", .persisting,
                "Completed 2026-11-18T22:10:04.120Z; not in payouts-2026-11-19.csv."),
            item(
                .amountMismatch, .critical, "order-8004", 4_500, "GBP", hours: 12, owner: "finance-ops", .new,
                "Task 145.00 GBP, order 100.00 GBP."),
            item(
                .missing, .high, "order-8890", 4_900, "GBP", hours: 9, owner: "finance-ops", .new,
                "Paid 2026-11-19T15:02:11.000Z, no charge."),
            item(
                .missing, .high, "order-8891", 5_000, "GBP", hours: 9, owner: "finance-ops", .new,
                "Paid 2026-11-19T15:02:12.000Z, no charge."),
            item(
                .failed, .high, "order-3310", 12_400, "JPY", hours: 190, owner: "payments", .persisting,
                "Failed after 8 attempts: 503 Service Unavailable."),
            item(.slaBreach, .medium, "order-8120", nil, nil, hours: 14, owner: "", .changed, "Took 42 min; agreed are 5 min."),
        ]
        report.breaks[6].state = .acknowledged
        report.breaks[6].by = "Anna Weber"
        report.breaks[6].reason = "The bank in Tokyo mends its gateway, ticket OPS-417"
        report.breaks[6].until = Timestamp(microseconds: asOf.microseconds + 48 * hour)
        var cleared = item(
            .stalePending, .high, "order-8700", 2_100, "GBP", hours: 30, owner: "ops", .cleared, "Due 2026-11-18T18:15:00.000Z.")
        cleared.state = .cleared
        var resolved = item(
            .duplicate, .high, "order-8701", 3_300, "GBP", hours: 44, owner: "payments", .cleared, "2 tasks, 1 expected.")
        (resolved.state, resolved.by, resolved.reason) = (.resolved, "Tom Reed", "the copy was cancelled before it was sent")
        report.breaks += [cleared, resolved]
        return report
    }

    static func incomplete() -> ReconciliationReport {
        var report = breaks()
        report.status = .incomplete
        report.isProvisional = true
        report.incompleteBecause = [
            "The balance of charge in GBP moved by 1 task and 45.00, and nothing says why.",
            "The ledger stripe has 2 quarantined rows.",
            "The rule refund-has-task could not be run: statement timeout after 30 s.",
        ]
        report.rollForward[0].unexplained = Tally(count: -1, amount: -4_500)
        report.rollForward[0].residual = Tally(count: -1, amount: -4_500)
        report.rollForward[0].live = report.rollForward[0].closing
        report.breaks.insert(
            item(
                .unexplainedChange, .critical, "order-6001", -4_500, "GBP", hours: 3, owner: "", .new,
                "Row 17 is gone: charge, 45.00 GBP, pending."), at: 0)
        return report
    }

    static func item(
        _ kind: FindingClass, _ severity: Severity, _ subject: String, _ amount: Int64?, _ currency: String?, hours: Int64,
        owner: String,
        _ change: BreakChange, _ detail: String, type: String = "charge"
    ) -> Break {
        let rules: [FindingClass] = [.missing, .amountMismatch, .duplicate, .orphan]
        return Break(
            finding: TallypostReconciliation.Finding(
                kind: kind, severity: severity, rule: rules.contains(kind) ? "paid-order-has-charge" : nil, owner: owner,
                type: type,
                key: subject, subject: subject, idempotencyKey: "\(type)-\(subject)",
                taskID: kind == .missing ? nil : 40_017 + hours,
                amountMinor: amount, currency: currency, since: ago(hours: hours), detail: detail),
            state: .open, change: change, firstSeen: ago(hours: max(1, hours - 1)), lastSeen: asOf)
    }

    private static func line(_ type: String, _ currency: String?, _ parts: [(Int64, Int128)]) -> RollForwardLine {
        var line = RollForwardLine(series: Series(type: type, currency: currency))
        let tallies = parts.map { Tally(count: $0.0, amount: $0.1) }
        (line.opening, line.created, line.reopened, line.completed, line.cancelled) = (
            tallies[0], tallies[1], tallies[2], tallies[3], tallies[4]
        )
        line.live = line.closing
        return line
    }

    private static func ageing(_ type: String, _ currency: String?, _ parts: [(Int64, Int128)]) -> AgeingLine {
        var line = AgeingLine(series: Series(type: type, currency: currency))
        for (index, part) in parts.enumerated() { line.buckets[index] = Tally(count: part.0, amount: part.1) }
        return line
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
