@main
struct Tallypost {
    static func main() {}
}
