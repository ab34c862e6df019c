import FoundationEssentials
import Glibc

/// Standard output as a person or a pipe sees it.
final class Terminal {
    /// How the demo shows its progress.
    enum Style {
        /// A picture redrawn in place.
        case live
        /// One line after the other.
        case plain
    }

    /// How to show progress here.
    let style: Style
    /// Whether bars may use block characters.
    let hasBlocks: Bool
    private let output = OutputWriter(descriptor: STDOUT_FILENO)
    private var linesOnScreen = 0
    private var columnsBefore = 0

    /// Live on a terminal that can move its cursor, unless told otherwise by the option or by NO_COLOR.
    init(plain: Bool) {
        let environment = ProcessInfo.processInfo.environment
        let kind = environment["TERM"] ?? ""
        let isCapable = isatty(STDOUT_FILENO) == 1 && !kind.isEmpty && kind != "dumb"
        style = plain || !isCapable || !(environment["NO_COLOR"] ?? "").isEmpty ? .plain : .live
        // The first of these that is set decides, as in setlocale(3).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        hasBlocks = locale.uppercased().contains("UTF-8") || locale.uppercased().contains("UTF8")
        if style == .live { write("\u{1B}[?25l") }
    }

    deinit {
        if style == .live { write("\u{1B}[?25h") }
    }

    /// Columns and rows now; 80 by 24 where nobody tells.
    var size: (columns: Int, rows: Int) {
        var window = winsize()
        let known = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0 && window.ws_col > 0 && window.ws_row > 0
        return known ? (Int(window.ws_col), Int(window.ws_row)) : (80, 24)
    }

    /// Draws over what the last call drew. `picture` gives lines that fit into so many columns; those that the screen has no
    /// room for are left out.
    func draw(_ picture: (_ columns: Int) -> [String]) {
        let size = size
        let lines = picture(size.columns).prefix(max(1, size.rows - 1))
        // After a change of width, what was drawn may stand anywhere: start on a clean screen.
        var text = ""
        if linesOnScreen > 0 { text = size.columns == columnsBefore ? "\u{1B}[\(linesOnScreen)F" : "\u{1B}[2J\u{1B}[H" }
        for line in lines { text += "\(line)\u{1B}[K\n" }
        text += "\u{1B}[J"
        linesOnScreen = lines.count
        columnsBefore = size.columns
        write(text)
    }

    /// One line, below what was drawn.
    func print(_ line: String = "") {
        linesOnScreen = 0
        write(line + "\n")
    }

    private func write(_ text: String) {
        output.write(text)
        output.flush()
    }
}
