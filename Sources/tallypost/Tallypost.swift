import FoundationEssentials
import Glibc
import TallypostRelay

@main
struct Tallypost {
    static func main() {
        // Interim: replaced by command line parser
        var sources = Configuration.Sources()
        sources.environment = ProcessInfo.processInfo.environment
        var drains = false
        var args = Array(CommandLine.arguments.dropFirst(2))
        while !args.isEmpty {
            let a = args.removeFirst()
            switch a {
            case "--config": sources.file = args.removeFirst()
            case "--database": sources.database = args.removeFirst()
            case "--route": sources.routes.append(args.removeFirst())
            case "--drain": drains = true
            default: break
            }
        }
        do {
            let code = try RelayService(sources: sources, drains: drains, log: Log()).run()
            exit(code.rawValue)
        } catch {
            print(error)
            exit(78)
        }
    }
}
