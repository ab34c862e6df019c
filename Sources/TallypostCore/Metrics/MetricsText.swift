/// Writes metrics as Prometheus scrapes them.
public enum MetricsText: Sendable {
    /// Prometheus' own text format, 0.0.4.
    case prometheus
    /// OpenMetrics 1.0.
    case openMetrics

    /// What a scraper can read, from its `Accept`: OpenMetrics where it names it, as Prometheus does.
    public init(accept: String?) {
        let names = (accept ?? "").split(separator: ",").contains { entry in
            let parts = entry.split(separator: ";").map { $0.filter { $0 != " " }.lowercased() }
            return parts.first == "application/openmetrics-text" && !parts.contains("q=0")
                && (parts.contains("version=1.0.0") || !parts.contains { $0.hasPrefix("version=") })
        }
        self = names ? .openMetrics : .prometheus
    }

    /// For `Content-Type`.
    public var contentType: String {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// The whole page.
    public func render(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families { write(family, to: &text) }
        if self == .openMetrics { text += "# EOF\n" }
        return text
    }

    private func write(_ family: MetricFamily, to text: inout String) {
        // OpenMetrics leaves `_total` to a counter's samples.
        var title = family.name
        if self == .openMetrics, family.kind == .counter, title.hasSuffix("_total") { title.removeLast(6) }
        text += "# HELP \(title) \(escaped(family.help, quotes: self == .openMetrics))\n# TYPE \(title) \(family.kind.rawValue)\n"
        if self == .openMetrics, let unit = ["seconds", "bytes"].first(where: { title.hasSuffix("_\($0)") }) {
            text += "# UNIT \(title) \(unit)\n"
        }
        for sample in family.samples {
            let labels = sample.labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
            switch sample.value {
            case .count(let number): text += "\(family.name)\(braced(labels)) \(number)\n"
            case .number(let number): text += "\(family.name)\(braced(labels)) \(number)\n"
            case .histogram(let histogram): write(histogram, family.name, labels, to: &text)
            }
        }
    }

    private func write(_ histogram: Histogram, _ name: String, _ labels: [String], to text: inout String) {
        var total: UInt64 = 0
        for index in 0...Histogram.bounds.count {
            total += histogram.counts[index]
            let bound = index < Histogram.bounds.count ? Histogram.bounds[index].label : "+Inf"
            text += "\(name)_bucket\(braced(labels + ["le=\"\(bound)\""])) \(total)\n"
        }
        text += "\(name)_sum\(braced(labels)) \(Double(histogram.sum) / 1e6)\n\(name)_count\(braced(labels)) \(total)\n"
    }

    private func braced(_ labels: [String]) -> String { labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}" }

    private func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
