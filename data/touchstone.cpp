// Touchstone 1 and 2: S, Y, Z, H and G parameters of linear networks over frequency.
//
// Columns: "frequency" [Hz], then "Re S11", "Im S11", … for every pair of ports, row by row
// (two-port files store S11 S21 S12 S22, which is undone here). Version 1 stores Z, Y, H and G
// divided by the reference resistance, version 2 as they are; both come out in ohm and siemens.
// Noise parameters are what --group noise reads: "frequency", "Fmin" [dB], "Re Gopt", "Im Gopt",
// "Rn" [ohm]. Source: Touchstone File Format Specification 2.0, IBIS Open Forum (2009).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <complex>
#include <numbers>
#include <optional>

#include "data/lab_text.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

constexpr int most_ports = 64;

enum class Encoding { magnitude_angle, decibel_angle, real_imaginary };

struct Options {
  double scale_hz = 1e9;
  char parameter = 'S';
  Encoding encoding = Encoding::magnitude_angle;
  double resistance = 50;
  std::string reference = "50 ohm";
};

struct Token {
  std::string_view text;
  std::size_t line = 0;
  std::size_t column = 0;  // of its first byte, from 1
  bool first_of_line = false;
};

class Parser {
 public:
  Parser(const LabText& text, int ports_by_name, LabTable& table)
      : text_(text), ports_(ports_by_name), table_(table) {}

  void parse(bool noise) {
    read_header_and_tokens();
    if (version_ == 1) {
      if (!option_line_) fail_file("no option line (\"# GHz S RI R 50\")", "add it above the data");
      if (ports_ == 0) ports_ = guess_ports();
    } else {
      if (ports_ == 0) fail_file("no [Number of Ports]", "add it below the option line");
      if (ports_ == 2 && !swap_known_) {
        fail_file("a two-port file without [Two-Port Data Order]",
                  "add [Two-Port Data Order] 21_12 (or 12_21)");
      }
    }
    table_.format = version_ == 1 ? "touchstone-1" : "touchstone-2";
    if (tokens_.empty()) fail_last("no network data", "give a file with data");
    read_network();
    if (noise) {
      read_noise();
    } else {
      note_noise();
    }
    table_.settings["parameter"] = std::string(1, options_.parameter);
    table_.settings["reference"] = reference_text();
    table_.settings["ports"] = std::to_string(ports_);
    if (!mixed_mode_.empty()) table_.settings["mixed-mode order"] = mixed_text_;
  }

 private:
  [[noreturn]] void fail(std::size_t line, const std::string& problem,
                         const std::string& remedy) const {
    throw DataError(fmt::format("{}: {}; {}", text_.at(line), problem, remedy));
  }
  [[noreturn]] void fail(const Token& token, const std::string& problem,
                         const std::string& remedy) const {
    throw DataError(fmt::format("{}: {}; {}", text_.at(token.line, token.column), problem, remedy));
  }
  [[noreturn]] void fail_last(const std::string& problem, const std::string& remedy) const {
    fail(std::max<std::size_t>(text_.lines.size(), 1), problem, remedy);
  }
  [[noreturn]] void fail_file(const std::string& problem, const std::string& remedy) const {
    throw DataError(fmt::format("{}: {}; {}", text_.place, problem, remedy));
  }

  static std::string_view without_comment(std::string_view line) {
    return trimmed_text(line.substr(0, line.find('!')));
  }

  void read_options(std::size_t line, std::string_view body) {
    if (option_line_) {
      table_.warnings.push_back(
          fmt::format("line {}: a second option line is ignored (the first counts, in line {})",
                      line, *option_line_));
      return;
    }
    option_line_ = line;
    const std::string lower = lower_text(body);
    auto words = split_cells(std::string_view(lower).substr(1), ' ');
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string_view word = words[i];
      constexpr std::array<std::pair<std::string_view, double>, 4> scales{
          {{"hz", 1.0}, {"khz", 1e3}, {"mhz", 1e6}, {"ghz", 1e9}}};
      const auto scale = std::find_if(scales.begin(), scales.end(),
                                      [&](const auto& entry) { return entry.first == word; });
      if (scale != scales.end()) {
        options_.scale_hz = scale->second;
      } else if (word.size() == 1 && std::string_view("syzhg").find(word[0]) != word.npos) {
        options_.parameter = static_cast<char>(word[0] - 'a' + 'A');
      } else if (word == "ma") {
        options_.encoding = Encoding::magnitude_angle;
      } else if (word == "db") {
        options_.encoding = Encoding::decibel_angle;
      } else if (word == "ri") {
        options_.encoding = Encoding::real_imaginary;
      } else if (word == "r") {
        if (i + 1 >= words.size()) fail(line, "\"R\" without a resistance", "write \"R 50\"");
        std::string value;
        // "(50 + 50j)" may have blanks.
        do {
          value += words[++i];
        } while (value.front() == '(' && value.back() != ')' && i + 1 < words.size());
        read_resistance(line, value);
      } else {
        fail(line, fmt::format("\"{}\" is no option", shown_text(word)),
             "write for example \"# GHz S RI R 50\"");
      }
    }
  }

  void read_resistance(std::size_t line, std::string_view value) {
    if (parse_number(value, '.', options_.resistance)) {
      if (!(options_.resistance > 0)) {
        fail(line, fmt::format("reference resistance {}", shown_text(value)),
             "write one above 0 ohm");
      }
      options_.reference = fmt::format("{} ohm", options_.resistance);
      return;
    }
    // "(50+50j)" is no Touchstone, but some programs write it.
    double real = 0, imaginary = 0;
    if (value.size() > 4 && value.front() == '(' && value.ends_with("j)")) {
      const std::string_view inside = value.substr(1, value.size() - 3);
      const std::size_t sign = inside.find_last_of("+-");
      if (sign != std::string_view::npos && sign > 0 &&
          parse_number(inside.substr(0, sign), '.', real) &&
          parse_number(inside.substr(sign), '.', imaginary) && real > 0) {
        options_.resistance = real;
        complex_reference_ = true;
        options_.reference =
            fmt::format("{}{}{}j ohm", real, imaginary < 0 ? "-" : "+", std::abs(imaginary));
        table_.warnings.push_back(
            fmt::format("line {}: a complex reference impedance ({}) is no part of the format",
                        line, options_.reference));
        return;
      }
    }
    fail(line, fmt::format("reference resistance \"{}\" is no number", shown_text(value)),
         "write for example \"R 50\"");
  }

  int keyword_number(std::size_t line, std::string_view keyword, std::string_view value,
                     int greatest) const {
    int number = 0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
    if (parsed.ec != std::errc{} || parsed.ptr != value.data() + value.size() || number < 1 ||
        number > greatest) {
      fail(line, fmt::format("{} \"{}\"", keyword, shown_text(value)),
           fmt::format("write a whole number from 1 to {}", greatest));
    }
    return number;
  }

  void read_keyword(std::size_t line, std::string_view body) {
    const std::size_t close = body.find(']');
    if (close == std::string_view::npos) {
      fail(line, fmt::format("\"{}\" has no closing bracket", shown_text(body)), "write \"[…]\"");
    }
    const std::string keyword = lower_text(trimmed_text(body.substr(1, close - 1)));
    const std::string_view value = trimmed_text(body.substr(close + 1));
    section_ = Section::header;
    if (keyword == "version") {
      version_ = 2;
      if (value != "2.0" && value != "2.1") {
        fail(line, fmt::format("version \"{}\"", shown_text(value)),
             "versions 1, 2.0 and 2.1 can be read");
      }
    } else if (keyword == "number of ports") {
      const int ports = keyword_number(line, "[Number of Ports]", value, most_ports);
      if (version_ == 2 && ports_ > 0 && ports_ != ports) {
        table_.warnings.push_back(
            fmt::format("the file's name says {} ports, [Number of Ports] {}", ports_, ports));
      }
      ports_ = ports;
    } else if (keyword == "two-port data order" || keyword == "two-port order") {
      if (value != "21_12" && value != "12_21") {
        fail(line, fmt::format("[Two-Port Data Order] \"{}\"", shown_text(value)),
             "write 21_12 or 12_21");
      }
      swap_known_ = true;
      swapped_ = value == "21_12";
    } else if (keyword == "number of frequencies") {
      frequencies_ = keyword_number(line, "[Number of Frequencies]", value, 100'000'000);
    } else if (keyword == "number of noise frequencies") {
      noise_frequencies_ = keyword_number(line, "[Number of Noise Frequencies]", value, 1'000'000);
    } else if (keyword == "reference") {
      section_ = Section::reference;
      reference_line_ = line;
      read_references(line, value);
    } else if (keyword == "matrix format") {
      const std::string format = lower_text(value);
      if (format != "full" && format != "lower" && format != "upper") {
        fail(line, fmt::format("[Matrix Format] \"{}\"", shown_text(value)),
             "write Full, Lower or Upper");
      }
      matrix_ = format[0];
    } else if (keyword == "mixed-mode order") {
      mixed_text_ = value;
      for (const auto word : split_cells(value, ' ')) mixed_mode_.emplace_back(word);
    } else if (keyword == "network data") {
      section_ = Section::network;
    } else if (keyword == "noise data") {
      section_ = Section::noise;
    } else if (keyword == "begin information") {
      section_ = Section::information;
    } else if (keyword == "end information" || keyword == "end") {
      section_ = keyword == "end" ? Section::over : Section::header;
    } else {
      table_.warnings.push_back(
          fmt::format("line {}: unknown keyword [{}] ignored", line, shown_text(keyword)));
    }
  }

  void read_references(std::size_t line, std::string_view value) {
    for (const auto word : split_cells(value, ' ')) {
      double number = 0;
      if (!parse_number(word, '.', number) || !(number > 0)) {
        fail(line, fmt::format("[Reference] \"{}\" is no positive resistance", shown_text(word)),
             "write one for every port, in ohm");
      }
      references_.push_back(number);
    }
  }

  void read_header_and_tokens() {
    for (std::size_t line = 1; line <= text_.lines.size(); ++line) {
      const std::string_view raw = text_.lines[line - 1];
      if (!warned_impedance_ && lower_text(raw).find("! port impedance") != std::string::npos) {
        warned_impedance_ = true;
        table_.warnings.push_back(fmt::format(
            "line {}: comments state port impedances; they are not applied, the reference is that "
            "of the option line",
            line));
      }
      const std::string_view body = without_comment(raw);
      if (body.empty() || section_ == Section::over) continue;
      if (body.front() == '#') {
        read_options(line, body);
        continue;
      }
      if (body.front() == '[') {
        if (section_ == Section::information &&
            !lower_text(body).starts_with("[end information]")) {
          continue;
        }
        read_keyword(line, body);
        continue;
      }
      if (section_ == Section::information) continue;
      if (section_ == Section::reference &&
          static_cast<int>(references_.size()) < std::max(ports_, 1)) {
        read_references(line, body);
        continue;
      }
      if (version_ == 2 && section_ != Section::network && section_ != Section::noise) {
        table_.warnings.push_back(fmt::format(
            "line {}: numbers without [Network Data] above them are taken as network data", line));
        section_ = Section::network;
      }
      auto& tokens = section_ == Section::noise ? noise_tokens_ : tokens_;
      bool first = true;
      for (const auto word : split_cells(body, ' ')) {
        tokens.push_back(
            {word, line, static_cast<std::size_t>(word.data() - raw.data()) + 1, first});
        first = false;
      }
    }
    if (!references_.empty() && static_cast<int>(references_.size()) != ports_) {
      fail(reference_line_,
           fmt::format("[Reference] has {} resistances for {} ports", references_.size(), ports_),
           "write one for every port");
    }
    if (!mixed_mode_.empty() && static_cast<int>(mixed_mode_.size()) != ports_) {
      fail_file(fmt::format("[Mixed-Mode Order] names {} of {} ports", mixed_mode_.size(), ports_),
                "name every port");
    }
  }

  int guess_ports() const {
    std::size_t first = 0;
    while (first < tokens_.size() && tokens_[first].line == tokens_.front().line) ++first;
    if (tokens_.empty()) fail_last("no network data", "give a file with data");
    if (first == 3) return 1;
    // Nine numbers are a two-port's matrix, or the first row of four ports', whose lines have eight
    // after it.
    if (first == 9) {
      const bool eight = first < tokens_.size() &&
                         std::count_if(tokens_.begin(), tokens_.end(), [&](const Token& token) {
                           return token.line == tokens_[first].line;
                         }) == 8;
      return eight ? 4 : 2;
    }
    if (first == 7) return 3;
    fail(tokens_.front(), fmt::format("a first line of {} numbers leaves the ports open", first),
         "name the file .sNp, N being the number of ports");
  }

  double number(const Token& token) const {
    double value = 0;
    if (!parse_number(token.text, '.', value)) {
      fail(token, fmt::format("\"{}\" is no finite number", shown_text(token.text)),
           "mend it, or comment the line out with \"!\"");
    }
    return value;
  }

  std::complex<double> value(const Token& a, const Token& b) const {
    const double x = number(a), y = number(b);
    if (options_.encoding == Encoding::real_imaginary) return {x, y};
    const double angle = y * std::numbers::pi / 180;
    const double magnitude =
        options_.encoding == Encoding::decibel_angle ? std::pow(10.0, x / 20) : x;
    if (!std::isfinite(magnitude)) fail(a, "a level out of range", "mend it");
    return {magnitude * std::cos(angle), magnitude * std::sin(angle)};
  }

  // Where the k-th number pair of a record belongs.
  std::vector<std::pair<int, int>> order() const {
    std::vector<std::pair<int, int>> result;
    if (ports_ == 2 && matrix_ == 'f') {
      const bool swapped = version_ == 1 || swapped_;
      result = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};
      if (!swapped) std::swap(result[1], result[2]);
      return result;
    }
    for (int i = 0; i < ports_; ++i) {
      const int first = matrix_ == 'u' ? i : 0;
      const int last = matrix_ == 'l' ? i : ports_ - 1;
      for (int j = first; j <= last; ++j) result.emplace_back(i, j);
    }
    return result;
  }

  std::string name(int i, int j) const {
    if (!mixed_mode_.empty()) {
      return fmt::format("{}({};{})", options_.parameter, mixed_mode_[static_cast<std::size_t>(i)],
                         mixed_mode_[static_cast<std::size_t>(j)]);
    }
    return ports_ < 10 ? fmt::format("{}{}{}", options_.parameter, i + 1, j + 1)
                       : fmt::format("{}{},{}", options_.parameter, i + 1, j + 1);
  }

  // Unit of an element, and what a version 1 file divided it by.
  std::pair<std::string, double> unit(int i, int j) const {
    const double r = version_ == 1 ? options_.resistance : 1;
    switch (options_.parameter) {
      case 'Z':
        return {"ohm", r};
      case 'Y':
        return {"S", 1 / r};
      case 'H':
        if (i == 0 && j == 0) return {"ohm", r};
        if (i == 1 && j == 1) return {"S", 1 / r};
        return {"1", 1};
      case 'G':
        if (i == 0 && j == 0) return {"S", 1 / r};
        if (i == 1 && j == 1) return {"ohm", r};
        return {"1", 1};
      default:
        return {"1", 1};
    }
  }

  void read_network() {
    if ((options_.parameter == 'H' || options_.parameter == 'G') && ports_ != 2) {
      fail(option_line_.value_or(1),
           fmt::format("{} parameters of {} ports", options_.parameter, ports_),
           "only two-ports have them");
    }
    const auto places = order();
    const std::size_t record = 1 + 2 * places.size();
    std::vector<std::vector<std::complex<double>>> matrices;
    std::vector<double> frequency;
    std::size_t at = 0;
    while (at < tokens_.size()) {
      const Token& head = tokens_[at];
      const double hertz = number(head) * options_.scale_hz;
      if (!head.first_of_line) {
        fail(head,
             fmt::format("a matrix of {} ports ends here, and the line goes on (every frequency "
                         "has {} numbers)",
                         ports_, record),
             "check the number of ports in the file's name");
      }
      if (!frequency.empty() && hertz <= frequency.back()) {
        // Version 1 has noise data behind the network data, where the frequency steps back.
        if (version_ == 1 && ports_ == 2 && in_line(at) == 5) {
          noise_tokens_.assign(tokens_.begin() + static_cast<std::ptrdiff_t>(at), tokens_.end());
          break;
        }
        fail(head, fmt::format("frequency {} Hz does not follow {} Hz", hertz, frequency.back()),
             "sort the rows by frequency, without repetition");
      }
      if (hertz < 0) fail(head, "a negative frequency", "delete the row");
      if (at + record > tokens_.size()) {
        fail(head,
             fmt::format("{} numbers where a matrix of {} ports needs {} (was the file cut off?)",
                         tokens_.size() - at, ports_, record),
             "complete the record, or delete it; check the number of ports in the file's name");
      }
      std::vector<std::complex<double>> matrix(static_cast<std::size_t>(ports_ * ports_));
      for (std::size_t k = 0; k < places.size(); ++k) {
        const Token& a = tokens_[at + 1 + 2 * k];
        if (k > 0 && a.first_of_line && ports_ <= 2) {
          fail(a,
               fmt::format("the line above has {} numbers, a matrix of {} ports needs {}",
                           in_line(at), ports_, record),
               "complete the line, or check the number of ports in the file's name");
        }
        const auto [i, j] = places[k];
        matrix[static_cast<std::size_t>(i * ports_ + j)] = value(a, tokens_[at + 2 + 2 * k]);
        if (matrix_ != 'f') {
          matrix[static_cast<std::size_t>(j * ports_ + i)] =
              matrix[static_cast<std::size_t>(i * ports_ + j)];
        }
      }
      frequency.push_back(hertz);
      table_.lines.push_back(static_cast<int>(head.line));
      matrices.push_back(std::move(matrix));
      at += record;
    }
    if (frequencies_ > 0 && static_cast<std::size_t>(frequencies_) != frequency.size()) {
      fail_last(fmt::format("{} frequencies, [Number of Frequencies] says {}", frequency.size(),
                            frequencies_),
                "complete the data, or mend the number");
    }
    if (version_ == 2 && frequencies_ == 0) {
      table_.warnings.push_back("[Number of Frequencies] is missing");
    }
    if (complex_reference_ && options_.parameter != 'S') {
      fail(*option_line_, "a complex reference impedance", "write a resistance");
    }
    table_.columns.push_back(named_column("frequency", "Hz"));
    table_.columns.back().values = frequency;
    table_.columns.back().position = 1;
    for (int i = 0; i < ports_; ++i) {
      for (int j = 0; j < ports_; ++j) {
        const auto [unit_text, factor] = unit(i, j);
        LabColumn real = named_column("Re " + name(i, j), unit_text);
        LabColumn imaginary = named_column("Im " + name(i, j), unit_text);
        for (const auto& matrix : matrices) {
          const auto element = matrix[static_cast<std::size_t>(i * ports_ + j)] * factor;
          real.values.push_back(element.real());
          imaginary.values.push_back(element.imag());
        }
        table_.columns.push_back(std::move(real));
        table_.columns.push_back(std::move(imaginary));
      }
    }
  }

  std::size_t in_line(std::size_t at) const {
    std::size_t count = 0;
    for (std::size_t i = at; i < tokens_.size() && tokens_[i].line == tokens_[at].line; ++i) {
      ++count;
    }
    return count;
  }

  void note_noise() {
    if (noise_tokens_.size() >= 5) {
      table_.warnings.push_back(fmt::format(
          "noise parameters at {} frequencies are not shown: read them with --group noise",
          noise_tokens_.size() / 5));
    } else if (noise_frequencies_ > 0) {
      table_.warnings.push_back(
          fmt::format("[Number of Noise Frequencies] says {}, but there is no [Noise Data]",
                      noise_frequencies_));
    }
  }

  void read_noise() {
    if (noise_tokens_.empty()) {
      throw ConfigError(
          fmt::format("--group noise: {} has no noise data. Leave the option out.", text_.place));
    }
    table_.columns.clear();
    table_.lines.clear();
    for (const auto& [column, unit_text] :
         {std::pair{"frequency", "Hz"}, std::pair{"Fmin", "dB"}, std::pair{"Re Gopt", "1"},
          std::pair{"Im Gopt", "1"}, std::pair{"Rn", "ohm"}}) {
      table_.columns.push_back(named_column(column, unit_text));
    }
    // Version 1 divides the noise resistance by the reference resistance.
    const double scale = version_ == 1 ? options_.resistance : 1;
    for (std::size_t at = 0; at < noise_tokens_.size(); at += 5) {
      const Token& head = noise_tokens_[at];
      std::size_t in_row = 0;
      while (at + in_row < noise_tokens_.size() && noise_tokens_[at + in_row].line == head.line) {
        ++in_row;
      }
      if (!head.first_of_line || in_row != 5) {
        fail(head, fmt::format("{} numbers in a line of noise data, 5 expected", in_row),
             "write frequency, Fmin, |Gopt|, angle and Rn");
      }
      const double angle = number(noise_tokens_[at + 3]) * std::numbers::pi / 180;
      const double magnitude = number(noise_tokens_[at + 2]);
      table_.columns[0].values.push_back(number(head) * options_.scale_hz);
      table_.columns[1].values.push_back(number(noise_tokens_[at + 1]));
      table_.columns[2].values.push_back(magnitude * std::cos(angle));
      table_.columns[3].values.push_back(magnitude * std::sin(angle));
      table_.columns[4].values.push_back(number(noise_tokens_[at + 4]) * scale);
      table_.lines.push_back(static_cast<int>(head.line));
    }
    if (noise_frequencies_ > 0 &&
        static_cast<std::size_t>(noise_frequencies_) != table_.lines.size()) {
      fail_last(fmt::format("{} noise frequencies, [Number of Noise Frequencies] says {}",
                            table_.lines.size(), noise_frequencies_),
                "complete the data, or mend the number");
    }
  }

  std::string reference_text() const {
    if (references_.empty()) return options_.reference;
    const bool equal = std::all_of(references_.begin(), references_.end(),
                                   [&](double r) { return r == references_.front(); });
    if (equal) return fmt::format("{} ohm", references_.front());
    return fmt::format("{} ohm (by port)", fmt::join(references_, ", "));
  }

  enum class Section { header, reference, network, noise, information, over };

  const LabText& text_;
  int ports_;
  LabTable& table_;
  int version_ = 1;
  Section section_ = Section::header;
  Options options_;
  std::optional<std::size_t> option_line_;
  bool complex_reference_ = false;
  bool warned_impedance_ = false;
  bool swap_known_ = false;
  bool swapped_ = true;
  char matrix_ = 'f';
  int frequencies_ = 0;
  int noise_frequencies_ = 0;
  std::size_t reference_line_ = 1;
  std::vector<double> references_;
  std::vector<std::string> mixed_mode_;
  std::string mixed_text_;
  std::vector<Token> tokens_;
  std::vector<Token> noise_tokens_;
};

}  // namespace

void read_touchstone(const LabText& text, int ports_by_name, const std::string& group,
                     LabTable& table) {
  if (!group.empty() && group != "noise") {
    throw ConfigError(
        fmt::format("--group: \"{}\" is none of a Touchstone file. Write --group "
                    "noise for its noise parameters, or leave it out.",
                    shown_text(group)));
  }
  if (ports_by_name > most_ports) {
    throw DataError(fmt::format("{}: {} ports by its name; at most {} can be read", text.place,
                                ports_by_name, most_ports));
  }
  Parser(text, ports_by_name, table).parse(group == "noise");
}

}  // namespace attojoule::data
