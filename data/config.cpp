#include "data/config.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <system_error>
#include <utility>

#include "data/names.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

constexpr std::size_t document_limit = std::size_t{1} << 20U;
constexpr std::size_t node_limit = 100000;
constexpr std::size_t depth_limit = 64;

enum class Kind { null, scalar, sequence, map };

// Where a node was written. line 0: the document is a command-line argument, which has no lines.
struct Origin {
  std::shared_ptr<const std::string> document;
  int line = 0;
  int column = 0;

  std::string text() const {
    return line == 0 ? *document : fmt::format("{}:{}:{}", *document, line, column);
  }
};

[[noreturn]] void refuse(const std::string& place, const std::string& problem,
                         const std::string& remedy) {
  throw ConfigError(place + ": " + problem + ". " + remedy + ".");
}

std::string extended(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string_view without_prefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

}  // namespace

struct ConfigNode::Impl {
  struct Entry {
    std::string key;
    Origin origin;  // of the key
    std::shared_ptr<Impl> node;
  };

  Kind kind = Kind::null;
  std::string scalar;
  std::string path;
  Origin origin;
  std::vector<std::shared_ptr<Impl>> items;
  std::vector<Entry> entries;
  std::map<std::string, std::size_t, std::less<>> index;  // of entries, by key
  std::set<std::string, std::less<>> asked;

  const Entry* find(std::string_view key) const {
    const auto found = index.find(key);
    return found == index.end() ? nullptr : &entries[found->second];
  }

  void add(Entry entry) {
    index.emplace(entry.key, entries.size());
    entries.push_back(std::move(entry));
  }

  // "file.yaml:3:5: receiver.capacitance", for messages about this node.
  std::string subject() const {
    return path.empty() ? origin.text() : fmt::format("{}: {}", origin.text(), shown_text(path));
  }
};

namespace {

// Builds the tree from the parser's events. yaml-cpp's own tree would let duplicate keys and alias
// bombs through.
template <class Impl>
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(Origin origin, std::string root_path)
      : origin_(std::move(origin)), root_path_(std::move(root_path)) {}

  std::shared_ptr<Impl> take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    if (wants_key()) {
      refuse(at(mark).text(), "a key is empty", "Give the key a name");
    }
    auto node = new_node(Kind::null, mark);
    // The parser notices that a value is missing only where something else begins.
    if (!stack_.empty() && stack_.back().has_key) node->origin = stack_.back().key_origin;
    place(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(at(mark).text(),
           "a YAML alias (*name) is not allowed here (each value stands where it is used)",
           "Write the value out");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (wants_key()) {
      Frame& frame = stack_.back();
      if (value.empty()) refuse(at(mark).text(), "a key is empty", "Give the key a name");
      if (const auto* earlier = frame.node->find(value)) {
        refuse(at(mark).text(),
               fmt::format("key \"{}\" is given twice (first at {})", shown_text(value),
                           earlier->origin.text()),
               "Keep one of them");
      }
      frame.key = value;
      frame.key_origin = at(mark);
      frame.has_key = true;
      return;
    }
    auto node = new_node(Kind::scalar, mark);
    node->scalar = value;
    place(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Kind::sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { stack_.pop_back(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { stack_.pop_back(); }

 private:
  struct Frame {
    std::shared_ptr<Impl> node;
    bool has_key = false;
    std::string key;
    Origin key_origin;
  };

  Origin at(const YAML::Mark& mark) const {
    Origin origin = origin_;
    if (origin.line != 0) {
      origin.line = mark.line + 1;
      origin.column = mark.column + 1;
    }
    return origin;
  }

  bool wants_key() const {
    return !stack_.empty() && stack_.back().node->kind == Kind::map && !stack_.back().has_key;
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor == YAML::NullAnchor) return;
    refuse(at(mark).text(),
           "a YAML anchor (&name) is not allowed here (each value stands where it is used)",
           "Remove the anchor");
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    // "?" is a plain node without a tag, "!" a quoted one.
    if (tag.empty() || tag == "?" || tag == "!") return;
    refuse(at(mark).text(), fmt::format("a YAML tag (\"{}\") is not allowed here", shown_text(tag)),
           "Remove the tag");
  }

  std::shared_ptr<Impl> new_node(Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > node_limit) {
      refuse(at(mark).text(), fmt::format("the document has more than {} values", node_limit),
             "A configuration is smaller; check that this is the right file");
    }
    auto node = std::make_shared<Impl>();
    node->kind = kind;
    node->origin = at(mark);
    return node;
  }

  // Puts a finished or newly opened node where the document has it.
  void place(std::shared_ptr<Impl> node) {
    if (stack_.empty()) {
      node->path = root_path_;
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node->kind == Kind::sequence) {
      node->path = fmt::format("{}[{}]", frame.node->path, frame.node->items.size());
      frame.node->items.push_back(std::move(node));
      return;
    }
    node->path = extended(frame.node->path, frame.key);
    frame.has_key = false;
    frame.node->add({frame.key, frame.key_origin, std::move(node)});
  }

  void open(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (wants_key()) {
      refuse(at(mark).text(), "a list or section is used as a key", "Use a plain word as the key");
    }
    if (stack_.size() >= depth_limit) {
      refuse(at(mark).text(),
             fmt::format("the document is nested deeper than {} levels", depth_limit),
             "A configuration is flatter; check the brackets");
    }
    auto node = new_node(kind, mark);
    place(node);
    stack_.push_back({std::move(node), false, {}, {}});
  }

  Origin origin_;
  std::string root_path_;
  std::shared_ptr<Impl> root_;
  std::vector<Frame> stack_;
  std::size_t nodes_ = 0;
};

// Line and column (from 1) of a byte.
std::pair<int, int> line_and_column(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, byte);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t last = before.rfind('\n');
  const std::size_t column = last == std::string_view::npos ? byte : byte - last - 1;
  return {static_cast<int>(lines) + 1, static_cast<int>(column) + 1};
}

// Bytes of the well-formed UTF-8 character at the front of `text`; 0 if there is none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  unsigned code = 0;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
    code = first & 0x1FU;
  } else if ((first & 0xF0U) == 0xE0) {
    length = 3;
    code = first & 0x0FU;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    code = first & 0x07U;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return 0;
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? 0 : length;
}

// The parser would guess encodings and pass control characters on; a configuration is plain text.
void check_text(const std::string& text, const std::string& document) {
  if (text.size() > document_limit) {
    refuse(document, fmt::format("{} bytes of YAML (the limit is {})", text.size(), document_limit),
           "Check that this is the right file");
  }
  const std::string_view view = text;
  std::size_t i = view.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (i < view.size()) {
    const auto c = static_cast<unsigned char>(view[i]);
    const std::size_t length = character_length(view.substr(i));
    const bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
    if (length == 0 || control) {
      const auto [line, column] = line_and_column(view, i);
      refuse(fmt::format("{}:{}:{}", document, line, column),
             fmt::format("byte 0x{:02X} is not text (a configuration is UTF-8 without control "
                         "characters)",
                         c),
             "Check that this is a YAML file");
    }
    i += length;
  }
}

template <class Impl>
std::shared_ptr<Impl> parse_tree(const std::string& text, const Origin& origin,
                                 const std::string& root_path) {
  check_text(text, *origin.document);
  TreeBuilder<Impl> builder(origin, root_path);
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return nullptr;
    std::shared_ptr<Impl> root = builder.take();
    if (parser.HandleNextDocument(builder)) {
      refuse(builder.take()->origin.text(), "a second YAML document begins (one is read)",
             "Remove the line \"---\" and what follows");
    }
    return root;
  } catch (const YAML::Exception& error) {
    Origin place = origin;
    if (origin.line != 0 && !error.mark.is_null()) {
      place.line = error.mark.line + 1;
      place.column = error.mark.column + 1;
    }
    refuse(place.text(), fmt::format("not valid YAML ({})", error.msg),
           "Check indentation, quotes and brackets near this place");
  }
}

template <class Impl>
[[noreturn]] void refuse_key(const Impl& section, const typename Impl::Entry& entry,
                             const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(entry.key, known);
  const std::string hint =
      nearest.empty() ? "" : fmt::format("Did you mean \"{}\"? ", shown_text(nearest));
  const std::string where =
      section.path.empty() ? "here" : fmt::format("in \"{}\"", shown_text(section.path));
  refuse(
      entry.origin.text(),
      fmt::format("unknown key \"{}\" {} (it would have no effect)", shown_text(entry.key), where),
      fmt::format("{}Known keys {}: {}", hint, where, joined_names(known)));
}

// The node that holds the value: itself, or `value` of a {value, uncertainty, source} map.
template <class Impl>
const Impl& value_node(const Impl& node) {
  if (node.kind != Kind::map) return node;
  static const std::vector<std::string> known = {"value", "uncertainty", "source"};
  if (node.find("value") == nullptr) {
    refuse(node.subject(), "a section stands where a value is expected",
           "Write one value, or {value: ..., source: ...}");
  }
  for (const auto& entry : node.entries) {
    if (std::find(known.begin(), known.end(), entry.key) == known.end()) {
      refuse_key(node, entry, known);
    }
  }
  const Impl& value = *node.find("value")->node;
  if (value.kind == Kind::map) {
    refuse(value.subject(), "a section stands where a value is expected", "Write one value");
  }
  return value;
}

template <class Impl>
const std::string& scalar_of(const Impl& node, std::string_view expected) {
  const Impl& value = value_node(node);
  if (value.kind == Kind::null) {
    refuse(value.subject(), fmt::format("has no value ({} is expected here)", expected),
           "Write one, or remove the key");
  }
  if (value.kind == Kind::sequence) {
    refuse(value.subject(), fmt::format("is a list ({} is expected here)", expected),
           "Write a single value");
  }
  return value.scalar;
}

// True for text that is a plain YAML scalar whatever surrounds it, and not null.
bool is_plain_safe(std::string_view text) {
  if (text.empty() || text == "~" || text.front() == ' ' || text.back() == ' ') return false;
  std::string folded;
  for (const char c : text) {
    folded += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (folded == "null") return false;
  constexpr std::string_view first_letters =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/.";
  constexpr std::string_view letters =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/.+-;()% ";
  // "..." alone would end the document.
  if (text.starts_with("...")) return false;
  return first_letters.find(text.front()) != std::string_view::npos &&
         text.find_first_not_of(letters) == std::string_view::npos;
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        result += "\\\"";
        break;
      case '\\':
        result += "\\\\";
        break;
      case '\n':
        result += "\\n";
        break;
      case '\r':
        result += "\\r";
        break;
      case '\t':
        result += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          result += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
        } else {
          result += c;
        }
    }
  }
  return result + '"';
}

std::string yaml_scalar(std::string_view text) {
  return is_plain_safe(text) ? std::string(text) : quoted(text);
}

// A value that could be mistaken for a minus sign's number stays plain: "-155 dBc/Hz".
std::string yaml_value(std::string_view text) {
  const bool negative = text.size() > 1 && text[0] == '-' && text[1] >= '0' && text[1] <= '9';
  if (negative && is_plain_safe(text.substr(1))) return std::string(text);
  return yaml_scalar(text);
}

template <class Impl>
void write_flow(const Impl& node, std::string& out) {
  switch (node.kind) {
    case Kind::null:
      out += '~';
      break;
    case Kind::scalar:
      out += yaml_value(node.scalar);
      break;
    case Kind::sequence: {
      out += '[';
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        if (i > 0) out += ", ";
        write_flow(*node.items[i], out);
      }
      out += ']';
      break;
    }
    case Kind::map: {
      out += '{';
      for (std::size_t i = 0; i < node.entries.size(); ++i) {
        if (i > 0) out += ", ";
        out += yaml_scalar(node.entries[i].key) + ": ";
        write_flow(*node.entries[i].node, out);
      }
      out += '}';
      break;
    }
  }
}

// Sections as indented blocks; a map that holds a `value`, and everything in a list, on one line.
template <class Impl>
void write_block(const Impl& node, std::size_t indent, std::string& out) {
  for (const auto& entry : node.entries) {
    out.append(indent, ' ');
    out += yaml_scalar(entry.key) + ":";
    const Impl& value = *entry.node;
    if (value.kind == Kind::map && !value.entries.empty() && value.find("value") == nullptr) {
      out += '\n';
      write_block(value, indent + 2, out);
    } else {
      out += ' ';
      write_flow(value, out);
      out += '\n';
    }
  }
}

}  // namespace

ConfigNode::ConfigNode() : impl_(std::make_shared<Impl>()) {
  impl_->kind = Kind::map;
  impl_->origin.document = std::make_shared<const std::string>("configuration");
}

ConfigNode::ConfigNode(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

ConfigNode ConfigNode::parse(const std::string& text, const std::string& place) {
  const Origin origin{std::make_shared<const std::string>(place), 1, 1};
  std::shared_ptr<Impl> root = parse_tree<Impl>(text, origin, "");
  if (!root) {
    root = std::make_shared<Impl>();
    root->origin = origin;
  }
  if (root->kind == Kind::null) root->kind = Kind::map;
  return ConfigNode(std::move(root));
}

ConfigNode ConfigNode::load(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status)) {
    throw DataError(file.string() + ": no such file. Check the path.");
  }
  if (std::filesystem::is_directory(status)) {
    throw DataError(file.string() +
                    ": is a directory (a YAML file is expected). Name a file in it.");
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw DataError(file.string() + ": cannot be read. Check its permissions.");
  // One byte more than parse() accepts, so that it refuses an endless stream as too large.
  std::string text(document_limit + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) throw DataError(file.string() + ": reading failed. Check the disk.");
  return parse(text, file.string());
}

void ConfigNode::set(const std::string& assignment) {
  const std::string place = "--set " + shown_text(assignment);
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos) {
    refuse(place, "there is no \"=\" (a key and its value are expected)",
           "Write for example --set receiver.capacitance=1pF");
  }
  const std::string key = assignment.substr(0, equals);
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (;;) {
    const std::size_t dot = key.find('.', start);
    parts.push_back(key.substr(start, dot == std::string::npos ? dot : dot - start));
    if (dot == std::string::npos) break;
    start = dot + 1;
  }
  for (const std::string& part : parts) {
    if (part.empty() || part.find_first_of(" \t") != std::string::npos) {
      refuse(place,
             fmt::format("\"{}\" is not a key (a part is empty or has a blank)", shown_text(key)),
             "Write for example --set receiver.capacitance=1pF");
    }
  }
  if (parts.size() > depth_limit) {
    refuse(place, fmt::format("the key has more than {} levels", depth_limit), "Check the dots");
  }

  const Origin origin{std::make_shared<const std::string>(place), 0, 0};
  check_text(key, place);
  const std::string path = extended(impl_->path, key);
  std::shared_ptr<Impl> value = parse_tree<Impl>(assignment.substr(equals + 1), origin, path);
  if (!value) {
    value = std::make_shared<Impl>();
    value->path = path;
    value->origin = origin;
  }

  Impl* section = impl_.get();
  for (std::size_t i = 0;; ++i) {
    if (section->kind == Kind::null) section->kind = Kind::map;
    if (section->kind != Kind::map) {
      refuse(
          place,
          fmt::format("\"{}\" is {} and has no key \"{}\" (given at {})", shown_text(section->path),
                      section->kind == Kind::sequence ? "a list" : "a single value", parts[i],
                      section->origin.text()),
          fmt::format("Set \"{}\" as a whole", shown_text(section->path)));
    }
    const auto found = section->index.find(parts[i]);
    const bool last = i + 1 == parts.size();
    if (found != section->index.end()) {
      auto& entry = section->entries[found->second];
      if (last) {
        entry.node = std::move(value);
        entry.origin = origin;
        return;
      }
      section = entry.node.get();
      continue;
    }
    if (last) {
      section->add({parts[i], origin, std::move(value)});
      return;
    }
    auto made = std::make_shared<Impl>();
    made->kind = Kind::map;
    made->path = extended(section->path, parts[i]);
    made->origin = origin;
    Impl* next = made.get();
    section->add({parts[i], origin, std::move(made)});
    section = next;
  }
}

bool ConfigNode::has(const std::string& key) const {
  impl_->asked.insert(key);
  return impl_->find(key) != nullptr;
}

bool ConfigNode::is_map() const {
  return impl_->kind == Kind::map;
}
bool ConfigNode::is_sequence() const {
  return impl_->kind == Kind::sequence;
}
bool ConfigNode::is_scalar() const {
  return impl_->kind == Kind::scalar;
}

ConfigNode ConfigNode::child(const std::string& key) const {
  impl_->asked.insert(key);
  if (impl_->kind == Kind::scalar || impl_->kind == Kind::sequence) {
    fail(fmt::format("{} is {} (a section with the key \"{}\" is expected)",
                     impl_->path.empty() ? "the document" : "\"" + shown_text(impl_->path) + "\"",
                     impl_->kind == Kind::sequence ? "a list" : "a single value", key),
         fmt::format("Write \"{}: ...\" indented below it", key));
  }
  const Impl::Entry* entry = impl_->find(key);
  if (entry == nullptr) {
    fail(fmt::format("key \"{}\" is missing", extended(impl_->path, key)), "Add it");
  }
  return ConfigNode(entry->node);
}

std::vector<ConfigNode> ConfigNode::items() const {
  if (impl_->kind != Kind::sequence) {
    refuse(impl_->subject(), "is not a list", "Write [a, b, ...]");
  }
  std::vector<ConfigNode> result;
  result.reserve(impl_->items.size());
  for (const auto& item : impl_->items) result.push_back(ConfigNode(item));
  return result;
}

std::vector<std::string> ConfigNode::keys() const {
  std::vector<std::string> result;
  for (const Impl::Entry& entry : impl_->entries) {
    impl_->asked.insert(entry.key);
    result.push_back(entry.key);
  }
  return result;
}

std::string ConfigNode::place() const {
  return impl_->origin.text();
}
std::string ConfigNode::path() const {
  return impl_->path;
}

double ConfigNode::number(Dimension dimension) const {
  const std::string& text = scalar_of(*impl_, dimension_name(dimension));
  const double value = parse_quantity(text, dimension, value_node(*impl_).subject());
  uncertainty(dimension);  // refuses one that makes no sense, whether it is used or not
  return value;
}

double ConfigNode::number(const std::string& key, Dimension dimension) const {
  return child(key).number(dimension);
}

double ConfigNode::number_or(const std::string& key, Dimension dimension, double fallback) const {
  return has(key) ? number(key, dimension) : fallback;
}

std::int64_t ConfigNode::integer(const std::string& key) const {
  const ConfigNode node = child(key);
  const std::string& text = scalar_of(*node.impl_, "a whole number");
  const std::string_view digits = without_prefix(text, "+");
  std::int64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec == std::errc::result_out_of_range) {
    refuse(node.impl_->subject(), fmt::format("\"{}\" does not fit into 64 bits", shown_text(text)),
           "Write a smaller number");
  }
  if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size()) {
    refuse(node.impl_->subject(),
           fmt::format("\"{}\" is not a whole number (one without unit is expected here)",
                       shown_text(text)),
           "Write digits only, for example 1000");
  }
  return value;
}

std::int64_t ConfigNode::integer_or(const std::string& key, std::int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}

std::string ConfigNode::text() const {
  return scalar_of(*impl_, "text");
}
std::string ConfigNode::text(const std::string& key) const {
  return child(key).text();
}

std::string ConfigNode::text_or(const std::string& key, const std::string& fallback) const {
  return has(key) ? text(key) : fallback;
}

bool ConfigNode::boolean_or(const std::string& key, bool fallback) const {
  if (!has(key)) return fallback;
  const ConfigNode node = child(key);
  const std::string& text = scalar_of(*node.impl_, "true or false");
  if (text == "true") return true;
  if (text == "false") return false;
  refuse(node.impl_->subject(), fmt::format("\"{}\" is neither true nor false", shown_text(text)),
         "Write true or false");
}

std::optional<std::string> ConfigNode::source() const {
  const Impl::Entry* entry = impl_->find("source");
  if (entry == nullptr) return std::nullopt;
  return scalar_of(*entry->node, "text");
}

std::optional<double> ConfigNode::uncertainty(Dimension dimension) const {
  const Impl::Entry* entry = impl_->find("uncertainty");
  if (entry == nullptr) return std::nullopt;
  const Impl& node = *entry->node;
  const double value =
      parse_quantity(scalar_of(node, dimension_name(dimension)), dimension, node.subject());
  if (value < 0) {
    refuse(node.subject(),
           fmt::format("{} is negative (an uncertainty is a width)", shown_text(node.scalar)),
           "Write a number that is 0 or more");
  }
  return value;
}

void ConfigNode::finish() const {
  for (const Impl::Entry& entry : impl_->entries) {
    if (impl_->asked.contains(entry.key)) continue;
    refuse_key(*impl_, entry, {impl_->asked.begin(), impl_->asked.end()});
  }
}

void ConfigNode::fail(const std::string& problem, const std::string& remedy) const {
  throw ConfigError(place() + ": " + problem + ". " + remedy + ".");
}

std::string ConfigNode::dump() const {
  std::string out;
  if (impl_->kind == Kind::map && !impl_->entries.empty()) {
    write_block(*impl_, 0, out);
  } else {
    write_flow(*impl_, out);
    out += '\n';
  }
  return out;
}

}  // namespace attojoule::data
