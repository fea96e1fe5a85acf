// What `attojoule learn` has done so far, in a file beside its result, so that a run that was
// killed goes on where it was. Written whole or not at all; numbers come back bit for bit. Test:
// tests/tools/learn_verb_test.cpp.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "tools/learning.hpp"

namespace attojoule::tools {

// What a state belongs to: a state of anything else must not be continued.
struct LearningIdentity {
  std::string config;  // resolved
  std::string model_sha256, data_sha256, learning_sha256;
  std::string program;  // version and git commit
};

// OUT.checkpoint for the result OUT.
std::filesystem::path checkpoint_file(const std::filesystem::path& out);

// The state in the file; nothing if there is no file. ConfigError where it belongs to another
// identity (named), DataError where it cannot be read.
std::optional<LearningState> read_checkpoint(const std::filesystem::path& file,
                                             const LearningIdentity& identity);
void write_checkpoint(const std::filesystem::path& file, const LearningIdentity& identity,
                      const LearningState& state);

}  // namespace attojoule::tools
