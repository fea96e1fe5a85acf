// A sample: lint.py must report exactly the lines with a "wrong" mark, under the rules named there.
// rand() in a comment is allowed, std::cout too.
std::normal_distribution<float> normal;     // wrong: randomness
auto seed = std::random_device{}();         // wrong: randomness
int a = rand();                             // wrong: randomness
int b = operand(1) + generator.rand(2);
std::cout << "hello";                       // wrong: printing
std::printf("hello");                       // wrong: printing
std::snprintf(buffer, 10, "allowed");
if (broken) std::abort();                   // wrong: exiting
transaction.abort();
auto now = std::chrono::system_clock::now();  // wrong: clock
auto path = std::getenv("HOME");            // wrong: environment
auto other = getenv("HOME");                // wrong: environment
int c = 1;  // TODO: think              wrong: leftover
int d = 1;  // NOLINT                   wrong: lint-off
int e = 1;  // NOLINT(bugprone-foo): the reason is that
#if 0  // wrong: disabled-test
#endif
TEST(Noise, DISABLED_is_white) {}           // wrong: disabled-test
const char* file = "/home/me/data.h5";      // wrong: machine-path
const char* good = "network/home/data.h5";
[[gnu::optimize("O3")]] void f();           // wrong: fast-math
