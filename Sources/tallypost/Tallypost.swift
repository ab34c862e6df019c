import Glibc

@main
struct Tallypost {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        // The demo starts its shop and its receiver as processes of their own; nobody else calls these.
        switch arguments.first {
        case ShopCommand.name: exit(ShopCommand.run(Array(arguments.dropFirst())))
        case ChildProcess.introduction: exit(ChildProcess.becomeChild(Array(arguments.dropFirst())))
        case ReceiverCommand.name: exit(ReceiverCommand.run(Array(arguments.dropFirst())))
        default: exit(CommandRunner.run(arguments, in: .console(.live)).rawValue)
        }
    }
}
