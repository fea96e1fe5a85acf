// The verbs of the program: each file tools/verb_NAME.cpp holds one, its help and what it does.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

// Declared only: the parser is a large header, which all tests of the program would read.
namespace CLI {
class App;
}

namespace attojoule::tools {

// Where a verb writes: results to `out`, messages and progress to `err`.
struct Streams {
  std::ostream& out;
  std::ostream& err;
};

struct Verb {
  std::string name;
  std::string summary;                // one line
  std::string description;            // paragraphs, 80 columns
  std::vector<std::string> examples;  // commands that run as they stand
  // Adds the verb's options to its subcommand and returns what to do once they are parsed; the
  // result is the exit code.
  std::function<std::function<int(const Streams&)>(CLI::App&)> define;
};

Verb run_verb();
Verb learn_verb();
Verb info_verb();
Verb map_verb();
Verb data_verb();
Verb device_verb();
Verb calibrate_verb();

// Description and examples, as they stand below the options.
std::string verb_footer(const Verb& verb);

// All verbs but help, in the order of the help.
std::vector<Verb> all_verbs();

// The whole program: parses, runs, and turns errors into messages on `err` and exit codes
// (0 ok, 1 run failed, 2 usage or configuration, 3 bad input data, 4 target not reachable).
int run_program(const std::vector<std::string>& arguments, const Streams& streams);

// The command as the user typed it, for the result file. Set by run_program.
const std::string& command_line();

}  // namespace attojoule::tools
