import FoundationEssentials

extension ImportSummary {
    /// The bridges that the import found, one for each currency; none where its row cannot be read.
    package var receiverBridges: [ReceiverBridge] {
        ((try? JSONDecoder().decode([StoredBridge].self, from: Data(bridges.utf8))) ?? []).map(\.bridge)
    }

    /// A bridge as the import's row keeps it; amounts are decimal texts.
    private struct StoredBridge: Decodable {
        struct Line: Decodable {
            var count: Int64
            var amountMinor: String

            var tally: Tally { Tally(count: count, amount: Int128(amountMinor) ?? 0) }
        }

        var source: String
        var file: String
        var currency: String?
        var ours: Line
        var oursOnly: Line
        var inTransit: Line
        var otherPeriods: Line
        var theirsOnly: Line
        var repeats: Line
        var amountDifferences: Line
        var tolerated: Line
        var theirs: Line

        var bridge: ReceiverBridge {
            var bridge = ReceiverBridge(source: source, file: file, currency: currency)
            bridge.ours = ours.tally
            bridge.oursOnly = oursOnly.tally
            bridge.inTransit = inTransit.tally
            bridge.otherPeriods = otherPeriods.tally
            bridge.theirsOnly = theirsOnly.tally
            bridge.repeats = repeats.tally
            bridge.amountDifferences = amountDifferences.tally
            bridge.tolerated = tolerated.tally
            bridge.theirs = theirs.tally
            return bridge
        }
    }
}
