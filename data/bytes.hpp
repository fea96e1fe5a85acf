// Whole files as bytes, and what identifies them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace attojoule::data {

// Throws DataError if the file is missing, no regular file (a directory, a pipe), unreadable or
// above 2 GiB. Tests: tests/data/bytes_test.cpp.
std::vector<std::byte> read_file(const std::filesystem::path& file);

// SHA-256 in hexadecimal, read in pieces. Throws DataError as above (any size).
std::string sha256_of_file(const std::filesystem::path& file);

std::string sha256_of_text(const std::string& text);

// A file opened for reading. Throws DataError as above (any size).
std::ifstream open_for_reading(const std::filesystem::path& file);

// Throws DataError as above where a file could not be opened for reading.
void require_readable(const std::filesystem::path& file);

}  // namespace attojoule::data
