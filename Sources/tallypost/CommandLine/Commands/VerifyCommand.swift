import TallypostReports

/// `tallypost verify`.
struct VerifyCommand: Command {
    static let specification = CommandSpecification(
        name: "verify", summary: "Check that a report is what was made.",
        details: [
            "Hashes every file of a report again and compares it with the manifest, adds the sums up again from the CSV and the JSON, "
                + "counts rows, checks the signature, the names under it, and the manifest of the report before, where it lies beside. It "
                + "stops at the first thing that differs and names its file, what was expected and what is there. No database is needed.",
            "Without --public-key a signature shows that nothing was changed by somebody without the key that the report names; only with "
                + "the key from a place that you trust does it show who made it.",
        ],
        positionals: [PositionalSpecification(name: "MANIFEST", summary: "A report's manifest.json, or its directory.")],
        options: [
            OptionSpecification(
                name: "--public-key", value: "FILE", repeats: true,
                summary: "Trust this Ed25519 key (PEM) and no other; a report without its signature is refused."),
            OptionSpecification(
                name: "--previous", value: "FILE",
                summary: "The manifest of the report before, where it does not lie beside this one."),
            .json,
        ],
        examples: [
            .init(line: "tallypost verify reports/2026-11/manifest.json", meaning: "Is anything changed?"),
            .init(line: "tallypost verify --public-key close.pub reports/2026-11", meaning: "Was it made with our key?"),
        ],
        exits: [.badData])

    let manifest: String
    let keyFiles: [String]
    let previous: String?
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        manifest = arguments.positionals[0]
        keyFiles = arguments.values("--public-key")
        previous = arguments.value("--previous")
        printsJSON = arguments.has("--json")
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        do {
            let keys = try keyFiles.map { try ReportPublicKey(file: $0) }
            let summary = try ReportVerifier(manifest: manifest, keys: keys, previous: previous).verify()
            printsJSON ? printJSON(summary, context.output) : printText(summary, context.output)
            return .good
        } catch let difference as ReportVerifier.Difference {
            printsJSON ? printJSON(difference, context.output) : printText(difference, context.output)
            return .badData
        } catch let failure as ReportFailure {
            throw CommandFailure(.badData, failure.message, mend: failure.mend)
        } catch {
            throw CommandFailure(.fault, "\(error)")
        }
    }

    private func printText(_ summary: ReportVerifier.Summary, _ output: OutputWriter) {
        output.line("verified: \(TextTable.printable(summary.name)), \(summary.status.uppercased())")
        output.line("  \(summary.files) files as the manifest has them, \(summary.sums) sums added up again")
        switch (summary.signedBy, summary.isKeyTrusted) {
        case (let key?, true): output.line("  signed with the trusted key \(key)")
        case (let key?, false):
            output.line("  signed with the key \(key), which the report itself names: --public-key FILE says whose it is")
        case (nil, _): output.line("  not signed: whoever can write its files could have made it")
        }
        for signOff in summary.signOffs {
            output.line("  \(TextTable.printable("\(signOff.role): \(signOff.by)"))")
        }
        if let previous = summary.previous {
            let how = summary.isPreviousChecked ? "its manifest is the one that this report names" : "its manifest is not here"
            output.line("  follows \(TextTable.printable(previous)): \(how)")
        }
        output.line("  manifest sha256 \(summary.manifestSHA256)")
    }

    private func printText(_ difference: ReportVerifier.Difference, _ output: OutputWriter) {
        output.line(TextTable.printable("DIFFERS: \(difference.file): \(difference.what)"))
        output.line(TextTable.printable("  expected  \(difference.expected)"))
        output.line(TextTable.printable("  found     \(difference.found)"))
    }

    private func printJSON(_ summary: ReportVerifier.Summary, _ output: OutputWriter) {
        var json = JSONWriter(output)
        json.object { json in
            json.name("verified")
            json.truth(true)
            for (name, value) in [
                ("name", summary.name), ("status", summary.status), ("manifestSHA256", summary.manifestSHA256),
                ("signedBy", summary.signedBy), ("previous", summary.previous),
            ] {
                json.name(name)
                json.string(value)
            }
            for (name, truth) in [("keyTrusted", summary.isKeyTrusted), ("previousChecked", summary.isPreviousChecked)] {
                json.name(name)
                json.truth(truth)
            }
            for (name, count) in [("files", summary.files), ("sums", summary.sums)] {
                json.name(name)
                json.integer(count)
            }
            json.name("signOffs")
            json.array { json in
                for signOff in summary.signOffs {
                    json.object { json in
                        json.name("role")
                        json.string(signOff.role)
                        json.name("by")
                        json.string(signOff.by)
                    }
                }
            }
        }
        json.finish()
    }

    private func printJSON(_ difference: ReportVerifier.Difference, _ output: OutputWriter) {
        var json = JSONWriter(output)
        json.object { json in
            json.name("verified")
            json.truth(false)
            json.name("difference")
            json.object { json in
                for (name, value) in [
                    ("file", difference.file), ("what", difference.what), ("expected", difference.expected),
                    ("found", difference.found),
                ] {
                    json.name(name)
                    json.string(value)
                }
            }
        }
        json.finish()
    }
}
