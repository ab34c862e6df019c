import TallypostCore
import TallypostDelivery
import TallypostReconciliation

/// Whom to tell when, and how the tasks that tell it are sent.
struct AlertConfiguration: Sendable {
    var settings: AlertSettings
    var route: RouteConfiguration
}

extension ConfigurationNode {
    static let alertKeys = [
        "url", "name", "format", "secrets", "headers", "depthOver", "failureRateOver", "stuckOver", "oldestOver", "missedRun",
        "findings", "remindEvery",
    ]

    /// An entry of `alerts`; nil when its URL is missing or bad. Other problems are reported and a default stands in.
    func alert(reading routes: RouteReader) -> AlertConfiguration? {
        guard let fields = fields(Self.alertKeys) else { return nil }
        guard let url = fields["url"] else {
            report("has no url; add it")
            return nil
        }
        guard var text = url.string("a URL") else { return nil }
        let format = fields["format"]?.word(AlertFormat.self) ?? .webhook
        if format == .alertmanager { text = Self.alertmanagerURL(text) }
        do throws(TargetError) {
            let origin = try CurlTargetParser().origin(of: text)
            guard let name = alertName(fields["name"], origin) else { return nil }
            var settings = AlertSettings(name: name)
            settings.format = format
            var route = try RouteConfiguration(type: settings.type, url: text)
            routes.readRequest(fields, into: &route)
            read(fields, into: &settings)
            return AlertConfiguration(settings: settings, route: route)
        } catch {
            url.report("\(error.reason); write an absolute http or https URL")
            return nil
        }
    }

    private func read(_ fields: ConfigurationFields, into settings: inout AlertSettings) {
        settings.depthOver = fields["depthOver"]?.integer(0...Int(Int32.max))
        settings.stuckOver = fields["stuckOver"]?.integer(0...Int(Int32.max))
        settings.oldestOver = fields["oldestOver"]?.duration()
        settings.missedRun = fields["missedRun"]?.boolean() ?? false
        switch fields["failureRateOver"]?.value {
        case .number(let number) where (0...1).contains(number): settings.failureRateOver = number
        case .integer(let number) where (0...1).contains(number): settings.failureRateOver = Double(number)
        case nil: break
        default: fields["failureRateOver"]?.report("must be a number from 0 to 1")
        }
        if let findings = fields["findings"] {
            if case .string("none") = findings.value {
                settings.findings = nil
            } else if let least = findings.word(FindingsWord.self) {
                settings.findings = Severity(rawValue: least.rawValue)
            }
        }
        if let remind = fields["remindEvery"], let span = remind.duration() {
            if span < .minutes(1) {
                remind.report("is shorter than 1m: each reminder is a task; write at least \"1m\", or leave it out")
            }
            settings.remindEvery = span
        }
    }

    private enum FindingsWord: String, CaseIterable { case low, medium, high, critical, none }

    /// Its base, or the alerts themselves.
    private static func alertmanagerURL(_ text: String) -> String {
        var base = text
        while base.hasSuffix("/") { base.removeLast() }
        return base.hasSuffix("/api/v2/alerts") ? base : base + "/api/v2/alerts"
    }

    /// As it is given; else the receiver's host.
    private func alertName(_ node: ConfigurationNode?, _ origin: Origin) -> String? {
        guard let node else { return String(origin.host.map { $0.isLetter || $0.isNumber || $0 == "." || $0 == "-" ? $0 : "-" }) }
        guard let name = node.string("a name") else { return nil }
        let isPlain = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ".")].contains(byte)
        }
        guard isPlain, !name.isEmpty, name.utf8.count <= 64 else {
            node.report("\"\(name)\" is no name of an alert; write up to 64 letters, digits, \"-\", \"_\" and \".\"")
            return nil
        }
        return name
    }
}
