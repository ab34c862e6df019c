/// Bars and curves out of characters.
struct Bar: Sendable {
    /// Whether block characters may be used; else ASCII.
    var hasBlocks: Bool

    private static let parts: [Character] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    private static let heights: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    private static let plainHeights: [Character] = ["_", ".", "-", "=", "+", "*", "#", "@"]

    /// `value` as a bar, `whole` being `width` characters. What is not nothing is always seen.
    func line(_ value: Int, of whole: Int, width: Int) -> String {
        guard value > 0, whole > 0, width > 0 else { return "" }
        let eighths = max(1, min(width * 8, value * width * 8 / whole))
        guard hasBlocks else { return String(repeating: "#", count: max(1, eighths / 8)) }
        let end = eighths % 8 == 0 ? "" : String(Self.parts[eighths % 8 - 1])
        return String(repeating: "█", count: eighths / 8) + end
    }

    /// Values one beside the other, the largest at full height.
    func curve(_ values: some Collection<Double>) -> String {
        let heights = hasBlocks ? Self.heights : Self.plainHeights
        let largest = values.max() ?? 0
        return String(values.map { largest > 0 ? heights[min(7, max(0, Int($0 / largest * 7.999)))] : heights[0] })
    }
}
