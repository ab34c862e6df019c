import TallypostCore
import Testing

@testable import tallypost

@Suite struct ParsingTests {
    private static let specification = CommandSpecification(
        name: "try", summary: "Tries.",
        positionals: [.init(name: "ID", summary: "An id."), .init(name: "MORE", arity: .any, summary: "More.")],
        options: [
            .init(name: "--file", value: "FILE", summary: "A file."),
            .init(name: "--again", value: "X", repeats: true, summary: "X."),
            .init(name: "--yes", summary: "Yes."),
        ])

    @Test func `values stand behind a space or an equals sign, options and other arguments in any order`() throws {
        let parsed = try ParsedArguments(
            ["1", "--file", "a=b", "--again=x=y", "2", "--yes", "--again", "--z"], for: Self.specification)
        #expect(parsed.positionals == ["1", "2"])
        #expect(parsed.value("--file") == "a=b")
        #expect(parsed.values("--again") == ["x=y", "--z"])
        #expect(parsed.has("--yes"))
    }

    @Test func `nothing is an option behind two dashes, and a lone dash is none`() throws {
        let parsed = try ParsedArguments(["-", "--", "--yes", "--", "-h"], for: Self.specification)
        #expect(parsed.positionals == ["-", "--yes", "--", "-h"])
        #expect(!parsed.has("--yes") && !parsed.asksForHelp)
    }

    @Test func `help is found whatever else is wrong`() throws {
        #expect(try ParsedArguments(["--nonsense", "--help"], for: Self.specification).asksForHelp)
        #expect(try ParsedArguments(["-h"], for: Self.specification).asksForHelp)
    }

    @Test(arguments: [
        (["1", "--fil", "x"], "no option “--fil”", "did you mean --file?"), (["1", "--nonsense"], "no option", "--help lists"),
        (["1", "-x"], "no option “-x”", ""), (["1", "--file"], "needs a value", "--file FILE"),
        (["1", "--file="], "empty value", ""),
        (["1", "--file", "a", "--file", "b"], "given twice", ""), (["1", "--yes=1"], "takes no value", ""),
        (["1", "--yes", "--yes"], "given twice", ""), ([], "needs ID", "tallypost try [options] ID [MORE…]"),
    ])
    func `a wrong argument is refused with its mend`(arguments: [String], message: String, mend: String) {
        #expect {
            try ParsedArguments(arguments, for: Self.specification)
        } throws: { error in
            guard let failure = error as? CommandFailure else { return false }
            return failure.exit == .usage && failure.message.contains(message) && (failure.mend ?? "").contains(mend)
        }
    }

    @Test func `an argument too many is named`() {
        #expect {
            try ParsedArguments(
                ["a", "b"], for: CommandSpecification(name: "try", summary: "", positionals: [.init(name: "ID", summary: "")]))
        } throws: { error in
            (error as? CommandFailure)?.message.contains("“b”") == true
        }
    }

    @Test(arguments: [
        (["statsu"], "tallypost status"), (["task", "lst"], "tallypost task list"),
        (["taks", "show", "1"], "tallypost task show"),
        (["rout"], "tallypost route"), (["docter"], "tallypost doctor"), (["initt"], "tallypost init"),
    ])
    func `an unknown command is answered with the nearest`(arguments: [String], nearest: String) {
        let shell = Shell()
        #expect(shell.run(arguments) == .usage)
        #expect(shell.errors.contains("did you mean \(nearest)?"))
        #expect(shell.output.isEmpty)
    }

    @Test(arguments: [[], ["task"], ["route", "--json"], ["--config", "x", "status"], ["xyzzyplugh"]])
    func `without a command nothing is done and the way out is told`(arguments: [String]) {
        let shell = Shell()
        #expect(shell.run(arguments) == .usage)
        #expect(shell.errors.contains("mend: "))
    }

    @Test func `every command explains itself in lines that fit`() {
        for command in CommandTable.commands {
            let specification = command.specification
            let shell = Shell()
            #expect(shell.run(specification.name.split(separator: " ").map(String.init) + ["--help"]) == .good)
            #expect(shell.output.contains("Usage\n  tallypost \(specification.name)"))
            for option in specification.options { #expect(shell.output.contains("  \(option.name)")) }
            #expect(shell.output.contains("Exit status\n  0"))
            for line in shell.output.split(separator: "\n") where !line.hasPrefix("  tallypost") && !line.hasPrefix("  sudo") {
                #expect(line.count <= 80, "\(line)")
            }
            // What an example shows must work as it stands.
            for example in specification.examples {
                let words = example.line.split(separator: " ").map(String.init)
                #expect(words.contains("tallypost") && example.line.contains("tallypost \(specification.name)"))
            }
        }
    }

    @Test func `help and version go to standard output and end well`() {
        let shell = Shell()
        for arguments in [["--help"], ["-h"], ["help"]] {
            #expect(shell.run(arguments) == .good)
            for command in CommandTable.commands { #expect(shell.output.contains(command.specification.name)) }
        }
        #expect(shell.run("help", "task", "show") == .good)
        #expect(shell.output.contains("tallypost task show"))
        #expect(shell.run("task", "--help") == .good)
        #expect(shell.output.contains("tallypost task retry"))
        #expect(shell.run("--version") == .good)
        #expect(shell.output == "tallypost \(Version.current)\n")
    }

    @Test(
        arguments: [
            ("timeoutSecond", "timeoutSeconds"), ("databse", "database"), ("DATABASE", "database"), ("xyzzy", nil),
            ("rtae", "rate"),
        ] as [(String, String?)])
    func `the nearest name is the one with the fewest edits, if it is near`(word: String, nearest: String?) {
        #expect(NearestName.of(word, among: ["rate", "database", "timeoutSeconds", "concurrency"]) == nearest)
    }
}
