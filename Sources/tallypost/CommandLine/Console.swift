import FoundationEssentials
import Glibc
import TallypostRelay

extension CommandContext {
    /// Standard output and error, this process's environment, and the person at the terminal if there is one.
    static func console(_ services: CommandServices) -> CommandContext {
        ignoreBrokenPipes()
        let errors = OutputWriter(descriptor: STDERR_FILENO)
        return CommandContext(
            services: services, output: OutputWriter(descriptor: STDOUT_FILENO), errors: errors,
            environment: ProcessInfo.processInfo.environment,
            ask: isatty(STDIN_FILENO) == 1 && errors.isTerminal ? { confirm($0, on: errors) } : nil,
            account: accountName())
    }

    /// Services and containers often have no USER.
    private static func accountName() -> String? {
        guard let entry = unsafe getpwuid(geteuid()) else { return nil }
        return unsafe String(cString: entry.pointee.pw_name)
    }

    /// Only a plain yes is one: what is asked about cannot be taken back.
    private static func confirm(_ question: String, on errors: OutputWriter) -> Bool {
        errors.write("\(question) [y/N] ")
        errors.flush()
        let answer = readLine()?.lowercased()
        return answer == "y" || answer == "yes"
    }
}
