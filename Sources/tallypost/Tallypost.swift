import Glibc

@main
struct Tallypost {
    static func main() {
        exit(CommandRunner.run(Array(CommandLine.arguments.dropFirst()), in: .console(.live)).rawValue)
    }
}
