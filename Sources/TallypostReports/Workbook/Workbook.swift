import CXlsxWriter
import Glibc
import TallypostCore

/// A workbook of libxlsxwriter: cells with types, rows written in order and let go of, so that memory does not grow with them.
@safe final class Workbook {
    /// How a cell looks.
    enum Style: Hashable {
        case plain, heading, numberHeading, title, note, wrapped, time, count, textNumber
        case amount(digits: Int)
    }

    /// The number of rows that a sheet of Excel has.
    static let mostRows = 1_048_576
    private static let longestText = 32_000
    private let path: String
    private let book: UnsafeMutablePointer<lxw_workbook>
    private var formats: [Style: UnsafeMutablePointer<lxw_format>] = unsafe [:]
    private var isClosed = false
    private var fault: lxw_error = LXW_NO_ERROR

    init() throws(ReportFailure) {
        var template = Array("/tmp/tallypost-XXXXXX.xlsx".utf8CString)
        if let directory = unsafe getenv("TMPDIR") {
            template = Array("\(unsafe String(cString: directory))/tallypost-XXXXXX.xlsx".utf8CString)
        }
        let descriptor = unsafe mkstemps(&template, 5)
        let file = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        path = file
        guard descriptor >= 0 else {
            throw ReportFailure(
                "cannot make \(file): \(unsafe String(cString: strerror(errno)))", mend: "set TMPDIR to a directory with room")
        }
        close(descriptor)
        let directory = ReportDirectory.split(path).above
        let made = unsafe directory.withCString { pointer -> UnsafeMutablePointer<lxw_workbook>? in
            var options = unsafe lxw_workbook_options()
            unsafe options.constant_memory = 1
            unsafe options.tmpdir = strdup(pointer)
            unsafe options.use_zip64 = 0
            return unsafe workbook_new_opt(file, &options)
        }
        guard let made = unsafe made else { throw ReportFailure("libxlsxwriter makes no workbook at \(path)") }
        unsafe book = made
    }

    deinit {
        if !isClosed { _ = unsafe workbook_close(book) }
        _ = unsafe unlink(path)
    }

    /// A sheet; names must differ.
    func sheet(_ name: String) throws(ReportFailure) -> Sheet {
        guard let sheet = unsafe workbook_add_worksheet(book, name) else {
            throw ReportFailure("libxlsxwriter makes no sheet “\(name)”")
        }
        return unsafe Sheet(workbook: self, sheet)
    }

    /// What a file manager shows.
    func setProperties(title: String, created: Timestamp) {
        unsafe title.withCString { title in
            unsafe "Tallypost".withCString { company in
                var properties = unsafe lxw_doc_properties()
                unsafe properties.title = UnsafeMutablePointer(mutating: title)
                unsafe properties.company = UnsafeMutablePointer(mutating: company)
                unsafe properties.created = time_t(created.microseconds / 1_000_000)
                _ = unsafe workbook_set_properties(book, &properties)
            }
        }
    }

    /// Ends it, and gives its bytes.
    func bytes() throws(ReportFailure) -> [UInt8] {
        isClosed = true
        let end = unsafe workbook_close(book)
        let failed = fault == LXW_NO_ERROR ? end : fault
        guard failed == LXW_NO_ERROR else {
            throw ReportFailure(
                "the workbook cannot be written: \(unsafe String(cString: lxw_strerror(failed)))",
                mend: "is there room in \(path)?")
        }
        guard let bytes = try ReportDirectory.read(path) else { throw ReportFailure("the workbook \(path) has gone") }
        return bytes
    }

    /// Lines that a text takes in a column of that width.
    static func lines(_ text: String, width: Double) -> Int {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        return lines.map { max(1, Int((Double($0.count) * 1.1 / width).rounded(.up))) }.reduce(0, +)
    }

    fileprivate func note(_ error: lxw_error) { if error != LXW_NO_ERROR, fault == LXW_NO_ERROR { fault = error } }

    fileprivate func format(_ style: Style) -> UnsafeMutablePointer<lxw_format>? {
        if let known = unsafe formats[style] { return unsafe known }
        guard let format = unsafe workbook_add_format(book) else { return nil }
        unsafe format_set_align(format, UInt8(LXW_ALIGN_VERTICAL_TOP.rawValue))
        switch style {
        case .plain: break
        case .heading, .numberHeading:
            if style == .numberHeading { unsafe format_set_align(format, UInt8(LXW_ALIGN_RIGHT.rawValue)) }
            unsafe format_set_bold(format)
            unsafe format_set_bg_color(format, 0xE8EDF3)
            unsafe format_set_bottom(format, UInt8(LXW_BORDER_THIN.rawValue))
        case .title:
            unsafe format_set_bold(format)
            unsafe format_set_font_size(format, 14)
        case .note: unsafe format_set_italic(format)
        case .wrapped: unsafe format_set_text_wrap(format)
        case .time:
            unsafe format_set_num_format(format, "yyyy\\-mm\\-dd hh:mm:ss")
            unsafe format_set_align(format, UInt8(LXW_ALIGN_LEFT.rawValue))
            // Apart from an amount that stands to its left.
            unsafe format_set_indent(format, 1)
        case .count: unsafe format_set_num_format(format, "#,##0")
        case .textNumber: unsafe format_set_align(format, UInt8(LXW_ALIGN_RIGHT.rawValue))
        case .amount(let digits):
            unsafe format_set_num_format(format, "#,##0" + (digits > 0 ? "." + String(repeating: "0", count: digits) : ""))
        }
        unsafe formats[style] = unsafe format
        return unsafe format
    }

    /// A sheet whose rows are written from the top down.
    @safe struct Sheet {
        private let workbook: Workbook
        private let sheet: UnsafeMutablePointer<lxw_worksheet>

        fileprivate init(workbook: Workbook, _ sheet: UnsafeMutablePointer<lxw_worksheet>) {
            self.workbook = workbook
            unsafe self.sheet = sheet
        }

        /// Widths in characters; A4 on its side, as wide as the page.
        func setUp(widths: [Double], headingRow: Int?, printed: Int? = nil, footer: String) {
            for (column, width) in widths.enumerated() {
                workbook.note(unsafe worksheet_set_column(sheet, lxw_col_t(column), lxw_col_t(column), width, nil))
            }
            unsafe worksheet_set_landscape(sheet)
            unsafe worksheet_set_paper(sheet, 9)
            unsafe worksheet_set_margins(sheet, 0.5, 0.5, 0.6, 0.7)
            unsafe worksheet_fit_to_pages(sheet, 1, 0)
            // An ampersand is a command there.
            let safe = footer.replacing("&", with: "&&").prefix(120)
            workbook.note(unsafe worksheet_set_footer(sheet, "&L\(safe)&C&A&RPage &P of &N"))
            guard let headingRow else { return }
            if let printed {
                let lastRow = lxw_row_t(Workbook.mostRows - 1)
                workbook.note(unsafe worksheet_print_area(sheet, 0, 0, lastRow, lxw_col_t(printed - 1)))
            }
            workbook.note(unsafe worksheet_repeat_rows(sheet, lxw_row_t(headingRow), lxw_row_t(headingRow)))
            unsafe worksheet_freeze_panes(sheet, lxw_row_t(headingRow + 1), 0)
        }

        /// As high as its longest cell needs it: programs differ in whether they see to that. Before the row's cells are written.
        func setHeight(row: Int, lines: Int, points: Double = 15) {
            workbook.note(unsafe worksheet_set_row(sheet, lxw_row_t(row), min(points * Double(lines), 400), nil))
        }

        /// A sentence over several columns.
        func write(_ text: String, row: Int, across columns: Int, characters: Double) {
            setHeight(row: row, lines: Workbook.lines(text, width: characters))
            let format = unsafe workbook.format(.wrapped)
            workbook.note(
                unsafe worksheet_merge_range(sheet, lxw_row_t(row), 0, lxw_row_t(row), lxw_col_t(columns - 1), "", format))
            write(text, row: row, column: 0, .wrapped)
        }

        func setFilter(lastRow: Int, columns: Int) {
            workbook.note(unsafe worksheet_autofilter(sheet, 0, 0, lxw_row_t(lastRow), lxw_col_t(columns - 1)))
        }

        func write(_ text: String, row: Int, column: Int, _ style: Style) {
            // A string cell, whatever it begins with: never a formula, never a link.
            let text = String(text.unicodeScalars.prefix(Workbook.longestText).map { $0.value == 0 ? "\u{FFFD}" : Character($0) })
            let format = unsafe workbook.format(style)
            workbook.note(unsafe worksheet_write_string(sheet, lxw_row_t(row), lxw_col_t(column), text, format))
        }

        func write(_ number: Double, row: Int, column: Int, _ style: Style) {
            let format = unsafe workbook.format(style)
            workbook.note(unsafe worksheet_write_number(sheet, lxw_row_t(row), lxw_col_t(column), number, format))
        }

        func write(_ cell: ReportCell, row: Int, column: Int, wraps: Bool = false) {
            switch cell {
            case .empty: break
            case .text(let text): write(text, row: row, column: column, wraps ? .wrapped : .plain)
            case .count(let count): write(Int128(count), digits: 0, style: .count, row: row, column: column)
            case .amount(let amount, let digits):
                write(amount, digits: digits, style: .amount(digits: digits), row: row, column: column)
            case .time(let time): write(time, row: row, column: column)
            }
        }

        /// A number of Excel keeps 15 digits: what has more is written as text, so that nothing is rounded.
        private func write(_ value: Int128, digits: Int, style: Style, row: Int, column: Int) {
            let plain = AmountText.plain(value, digits: digits)
            if value.magnitude < 1_000_000_000_000_000, let number = Double(plain) {
                write(number, row: row, column: column, style)
            } else {
                write(plain, row: row, column: column, .textNumber)
            }
        }

        private func write(_ time: Timestamp, row: Int, column: Int) {
            let seconds = time.microseconds / 1_000_000 - (time.microseconds % 1_000_000 < 0 ? 1 : 0)
            let day = seconds / 86_400 - (seconds % 86_400 < 0 ? 1 : 0)
            let rest = seconds - day * 86_400
            let date = CivilDay(daysSinceEpoch: day)
            // Excel's days begin in 1900.
            guard (1901...9999).contains(date.year) else { return write(time.iso8601, row: row, column: column, .plain) }
            var value = lxw_datetime(
                year: Int32(date.year), month: Int32(date.month), day: Int32(date.day), hour: Int32(rest / 3_600),
                min: Int32(rest / 60 % 60), sec: Double(rest % 60))
            let format = unsafe workbook.format(.time)
            workbook.note(unsafe worksheet_write_datetime(sheet, lxw_row_t(row), lxw_col_t(column), &value, format))
        }
    }
}
