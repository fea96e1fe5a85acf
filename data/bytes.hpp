// Whole files as bytes, and what identifies them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace attojoule::data {

// Throws DataError if the file is missing, a directory, unreadable or above 2 GiB.
std::vector<std::byte> read_file(const std::filesystem::path& file);

// SHA-256 in hexadecimal, read in pieces. Throws DataError as above (any size).
std::string sha256_of_file(const std::filesystem::path& file);

}  // namespace attojoule::data
