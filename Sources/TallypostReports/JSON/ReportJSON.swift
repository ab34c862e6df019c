import TallypostCore
import TallypostReconciliation

/// The report for programs: the contract's members first, then what a report tells beyond them. Amounts are strings of minor units.
struct ReportJSON {
    private let report: ReconciliationReport
    private let environment: String
    private let revision: Int

    init(_ report: ReconciliationReport, environment: String, revision: Int) {
        self.report = report
        self.environment = environment
        self.revision = revision
    }

    /// What is counted as rows of this file.
    static func rows(_ report: ReconciliationReport) -> Int { report.breaks.count + report.rollForward.count }

    func text() -> String {
        var json = JSONOutput()
        json.object { json in
            json.member("status", report.status.rawValue)
            json.member("asOf", time: report.asOf)
            writeFindings(&json)
            writeRollForward(&json)
            writeBridges(&json)
            writeFrame(&json)
            writeAgeing(&json)
            writeCharts(&json)
            writeOrigin(&json)
        }
        return String(decoding: json.bytes, as: UTF8.self) + "\n"
    }

    private func writeFindings(_ json: inout JSONOutput) {
        json.name("findings")
        json.array(report.breaks.lazy.filter(\.counts)) { json, item in write(item, &json) }
        json.name("closedFindings")
        json.array(report.breaks.lazy.filter { !$0.counts }) { json, item in write(item, &json) }
        json.member("findingsNotListed", number: report.breaksNotListed)
    }

    private func write(_ item: Break, _ json: inout JSONOutput) {
        let finding = item.finding
        json.object { json in
            json.member("id", finding.id)
            json.member("class", finding.kind.rawValue)
            json.member("severity", finding.severity.rawValue)
            json.member("type", finding.type)
            json.member("subject", finding.subject)
            json.member("idempotencyKey", finding.idempotencyKey)
            json.member("amountMinor", finding.amountMinor.map { "\($0)" })
            json.member("currency", finding.currency)
            json.member("rule", finding.rule)
            json.member("firstSeen", time: item.firstSeen)
            json.member("detail", finding.detail)
            json.member("taskID", finding.taskID.map { "\($0)" })
            json.member("since", time: finding.since)
            json.member("lastSeen", time: item.lastSeen)
            json.member("owner", finding.owner.isEmpty ? nil : finding.owner)
            json.member("state", item.state.rawValue)
            json.member("change", item.change?.rawValue)
            json.member("changeSinceSigned", item.changeSinceSigned?.rawValue)
            json.member("by", item.by)
            json.member("reason", item.reason)
            json.member("until", time: item.until)
        }
    }

    private func writeRollForward(_ json: inout JSONOutput) {
        json.name("rollForward")
        json.array(report.rollForward) { json, line in
            json.object { json in
                json.member("type", line.series.type)
                json.member("currency", line.series.currency)
                for part in line.lines { write(part.name, part.tally, line.series.currency, &json) }
            }
        }
    }

    private func write(_ name: String, _ tally: Tally?, _ currency: String?, _ json: inout JSONOutput) {
        json.name(name)
        guard let tally else { return json.string(nil) }
        json.object { json in
            json.member("count", number: tally.count)
            json.member("amountMinor", currency == nil ? nil : "\(tally.amount)")
        }
    }

    private func writeBridges(_ json: inout JSONOutput) {
        json.name("bridges")
        json.object { json in
            json.name("business")
            json.array(report.businessBridges) { json, bridge in
                json.object { json in
                    json.member("rule", bridge.rule)
                    json.member("type", bridge.type)
                    json.member("currency", bridge.currency)
                    for part in bridge.lines { write(part.name, part.tally, bridge.currency, &json) }
                }
            }
            json.name("receiver")
            json.array(report.receiverBridges) { json, bridge in
                json.object { json in
                    json.member("source", bridge.source)
                    json.member("file", bridge.file)
                    json.member("currency", bridge.currency)
                    for part in bridge.lines { write(part.name, part.tally, bridge.currency, &json) }
                }
            }
        }
    }

    private func writeFrame(_ json: inout JSONOutput) {
        json.name("incompleteBecause")
        json.array(report.incompleteBecause) { $0.string($1) }
        json.name("period")
        json.object { json in
            json.member("label", report.period.label)
            json.member("zone", report.period.zone)
            json.member("from", time: report.period.from)
            json.member("to", time: report.period.to)
            json.member("provisional", truth: report.isProvisional)
        }
        json.member("environment", environment)
        json.member("database", report.database)
        json.member("run", number: report.run)
        json.member("revision", number: revision)
        json.member("version", report.version)
        json.name("exponents")
        json.object { json in
            for (currency, digits) in report.exponents.sorted(by: { $0.key < $1.key }) { json.member(currency, number: digits) }
        }
    }

    private func writeAgeing(_ json: inout JSONOutput) {
        json.name("ageing")
        json.array(report.ageing) { json, line in
            json.object { json in
                json.member("type", line.series.type)
                json.member("currency", line.series.currency)
                json.name("buckets")
                json.array(zip(AgeingLine.fileNames, line.buckets)) { json, bucket in
                    json.object { json in
                        json.member("age", bucket.0)
                        json.member("count", number: bucket.1.count)
                        json.member("amountMinor", line.series.currency == nil ? nil : "\(bucket.1.amount)")
                    }
                }
            }
        }
    }

    private func writeCharts(_ json: inout JSONOutput) {
        json.name("flow")
        json.array(report.flow) { json, day in
            json.object { json in
                json.member("day", day.day)
                json.member("created", number: day.created)
                json.member("completed", number: day.completed)
                json.member("cancelled", number: day.cancelled)
            }
        }
        json.name("history")
        json.array(report.history) { json, run in
            json.object { json in
                json.member("asOf", time: run.asOf)
                for severity in Severity.allCases { json.member(severity.rawValue, number: run.bySeverity[severity] ?? 0) }
            }
        }
    }

    private func writeOrigin(_ json: inout JSONOutput) {
        json.name("sources")
        json.array(report.sources) { json, source in
            json.object { json in
                json.member("name", source.name)
                json.member("logic", source.logic)
                json.member("rows", number: source.rows)
            }
        }
        json.name("rules")
        json.array(report.rules) { json, rule in
            json.object { json in
                json.member("name", rule.name)
                json.member("owner", rule.owner)
                json.member("sha256", rule.hash)
            }
        }
        json.name("parameters")
        json.object { json in for parameter in report.parameters { json.member(parameter.name, parameter.value) } }
        json.name("signOffs")
        json.array(report.signOffs) { json, signOff in
            json.object { json in
                json.member("role", signOff.role)
                json.member("by", signOff.by)
                json.member("at", time: signOff.at)
                json.member("note", signOff.note)
            }
        }
    }
}
