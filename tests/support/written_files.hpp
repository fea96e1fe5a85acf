// What the program wrote into a test's folder, for tests of verbs that write reports and results.
#pragma once

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/command_line.hpp"

namespace attojoule::tests {

class WrittenFiles : public CommandLine {
 protected:
  std::string text_of(const std::string& name) const {
    std::ifstream in(path(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  nlohmann::json json_of(const std::string& name) const {
    return nlohmann::json::parse(text_of(name));
  }
};

}  // namespace attojoule::tests
