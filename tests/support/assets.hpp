// Files from outside the repository that tests need: published models and data sets.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace attojoule::tests {

// DIRECTORY/relative of $ATTOJOULE_DATA, if it is there.
inline std::optional<std::filesystem::path> find_asset(const std::string& relative) {
  const char* directory = std::getenv("ATTOJOULE_DATA");
  if (directory == nullptr) return std::nullopt;
  std::filesystem::path path = std::filesystem::path(directory) / relative;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}

inline bool assets_are_required() {
  const char* required = std::getenv("ATTOJOULE_REQUIRE_DATA");
  return required != nullptr && std::string(required) == "1";
}

inline std::string missing_asset_message(const std::string& relative) {
  const char* directory = std::getenv("ATTOJOULE_DATA");
  return relative + " is not in $ATTOJOULE_DATA (" +
         (directory != nullptr ? std::string(directory) : std::string("not set")) +
         "). Fetch it: attojoule data fetch " + std::filesystem::path(relative).stem().string();
}

// Fashion-MNIST of Debian's package dataset-fashion-mnist, which the tests need installed.
inline std::filesystem::path fashion_mnist(const std::string& name) {
  return std::filesystem::path("/usr/share/datasets/fashion-mnist") / name;
}

}  // namespace attojoule::tests

// In a test: declares `variable` as the file's path, or ends the test: skipped with the reason, or
// failed where ATTOJOULE_REQUIRE_DATA=1.
#define ATTOJOULE_ASSET(variable, relative)                                   \
  const auto variable##_found = ::attojoule::tests::find_asset(relative);     \
  if (!variable##_found) {                                                    \
    const auto message = ::attojoule::tests::missing_asset_message(relative); \
    if (::attojoule::tests::assets_are_required()) FAIL() << message;         \
    GTEST_SKIP() << message;                                                  \
  }                                                                           \
  const std::filesystem::path variable = *variable##_found
