#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/unknown_field_set.h>
#include <onnx/onnx_pb.h>
#pragma GCC diagnostic pop

#include "network/onnx_import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "network/operators.hpp"
#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

// Weights are read straight from the protobuf's little-endian bytes.
static_assert(std::endian::native == std::endian::little);

class Importer {
 public:
  Importer(onnx::ModelProto& model, const std::string& file, const ExternalWeightReader& external)
      : model_(model), file_(file), external_(external) {}

  Graph run() {
    graph_.name = file_;
    for (const auto& opset : model_.opset_import()) {
      if (opset.domain().empty() || opset.domain() == "ai.onnx") {
        graph_.opset = static_cast<int>(opset.version());
      }
    }
    if (graph_.opset < min_opset || graph_.opset > max_opset) {
      fail(fmt::format("opset {} is outside {} to {}", graph_.opset, min_opset, max_opset),
           "Export the model again with an opset in that range");
    }
    const onnx::GraphProto& proto = model_.graph();
    if (proto.node().empty()) fail("no nodes", "Check that the export finished");
    if (proto.sparse_initializer_size() > 0) {
      fail("sparse initializers are not supported", "Export dense weights");
    }
    for (onnx::TensorProto& initializer : *model_.mutable_graph()->mutable_initializer()) {
      const ValueId id = declare(initializer.name());
      if (initializer.data_type() == onnx::TensorProto::STRING) {
        leave_out(id, fmt::format("initializer '{}' has element type STRING", initializer.name()));
        continue;
      }
      set_constant(id, read_tensor(initializer, "initializer '" + initializer.name() + "'"));
      // Weights are most of a model: they are not held twice.
      std::string().swap(*initializer.mutable_raw_data());
    }
    for (const auto& input : proto.input()) {
      if (by_name_.contains(input.name())) continue;  // an initializer that is overridable
      graph_.inputs.push_back(declare(input.name()));
      read_type(input, graph_.inputs.back());
    }
    if (graph_.inputs.empty()) fail("no inputs", "A network needs at least one");
    for (const auto& function : model_.functions()) {
      functions_[{function.domain(), function.name()}] = &function;
    }
    Scope scope{by_name_, "", {}};
    for (const auto& node : proto.node()) read_any_node(node, scope, 0);
    for (const auto& output : proto.output()) {
      const auto found = by_name_.find(output.name());
      if (found == by_name_.end()) {
        fail(fmt::format("output '{}' is not computed by any node", output.name()),
             "The file is inconsistent; export it again");
      }
      if (!left_out_.contains(found->second)) graph_.outputs.push_back(found->second);
    }
    if (proto.output().empty()) fail("no outputs", "A network needs at least one");
    if (graph_.outputs.empty()) {
      fail("no output holds numbers that the network computes: " + left_out_.begin()->second,
           "Export the scores of the classes as an output");
    }
    return std::move(graph_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const {
    throw DataError(fmt::format("{}: {}. {}.", file_, problem, remedy));
  }

  ValueId declare(const std::string& name) { return declare(name, by_name_, ""); }

  ValueId declare(const std::string& name, std::unordered_map<std::string, ValueId>& values,
                  const std::string& prefix) {
    const auto [position, fresh] = values.emplace(name, static_cast<ValueId>(graph_.values.size()));
    if (!fresh) {
      fail(fmt::format("value '{}' is defined twice", name),
           "The file is inconsistent; export it again");
    }
    Value value;
    value.name = prefix + name;
    graph_.values.push_back(std::move(value));
    return position->second;
  }

  void set_constant(ValueId id, Tensor tensor) {
    Value& value = graph_.value(id);
    value.type = tensor.type;
    value.shape = tensor.shape;
    value.shape_known = true;
    value.constant = std::move(tensor);
  }

  void read_type(const onnx::ValueInfoProto& info, ValueId id) {
    if (!info.type().has_tensor_type()) {
      fail(fmt::format("input '{}' is not a tensor", info.name()), "Export it as one");
    }
    const auto& type = info.type().tensor_type();
    Value& value = graph_.value(id);
    value.type = element_type(type.elem_type(), fmt::format("input '{}'", info.name()));
    for (const auto& dim : type.shape().dim()) {
      value.shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : -1);
    }
  }

  ElementType element_type(int code, const std::string& what) const {
    switch (code) {
      case onnx::TensorProto::FLOAT:
      case onnx::TensorProto::DOUBLE:
      case onnx::TensorProto::FLOAT16:
        return ElementType::real;
      case onnx::TensorProto::INT8:
      case onnx::TensorProto::UINT8:
      case onnx::TensorProto::INT16:
      case onnx::TensorProto::UINT16:
      case onnx::TensorProto::INT32:
      case onnx::TensorProto::UINT32:
      case onnx::TensorProto::INT64:
        return ElementType::integer;
      case onnx::TensorProto::BOOL:
        return ElementType::boolean;
      default:
        break;
    }
    const std::string name = onnx::TensorProto::DataType_IsValid(code)
                                 ? onnx::TensorProto::DataType_Name(code)
                                 : std::to_string(code);
    fail(fmt::format("{} has element type {}, which is not supported", what, name),
         "Convert the model to float32");
  }

  template <class Stored, class Wanted>
  void copy_raw(const std::string& raw, std::int64_t count, std::vector<Wanted>& out,
                const std::string& what) const {
    if (raw.size() != static_cast<std::size_t>(count) * sizeof(Stored)) {
      fail(fmt::format("{} holds {} bytes where its shape needs {}", what, raw.size(),
                       static_cast<std::size_t>(count) * sizeof(Stored)),
           "The file is truncated or inconsistent; export it again");
    }
    out.resize(static_cast<std::size_t>(count));
    if constexpr (std::is_same_v<Stored, Wanted>) {
      if (!raw.empty()) std::memcpy(out.data(), raw.data(), raw.size());
    } else {
      for (std::size_t i = 0; i < out.size(); ++i) {
        Stored stored;
        std::memcpy(&stored, raw.data() + i * sizeof(Stored), sizeof(Stored));
        out[i] = static_cast<Wanted>(stored);
      }
    }
  }

  template <class Field, class Wanted>
  void copy_field(const Field& field, std::int64_t count, std::vector<Wanted>& out,
                  const std::string& what) const {
    if (field.size() != count) {
      fail(fmt::format("{} holds {} numbers where its shape needs {}", what, field.size(), count),
           "The file is truncated or inconsistent; export it again");
    }
    out.resize(static_cast<std::size_t>(count));
    for (int i = 0; i < field.size(); ++i) {
      out[static_cast<std::size_t>(i)] = static_cast<Wanted>(field.Get(i));
    }
  }

  // IEEE half precision to float: every half is a float.
  static float from_half(std::uint16_t half) {
    const float sign = (half & 0x8000u) != 0 ? -1.0f : 1.0f;
    const int exponent = (half >> 10) & 0x1f;
    const float mantissa = static_cast<float>(half & 0x3ff);
    if (exponent == 31) {
      return mantissa == 0 ? sign * std::numeric_limits<float>::infinity()
                           : std::numeric_limits<float>::quiet_NaN();
    }
    return exponent == 0 ? sign * std::ldexp(mantissa, -24)
                         : sign * std::ldexp(mantissa + 1024.0f, exponent - 25);
  }

  // The bytes of a tensor in another file.
  std::string fetch(const onnx::TensorProto& proto, const std::string& what) const {
    std::string location;
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> length;
    for (const auto& entry : proto.external_data()) {
      if (entry.key() == "location") {
        location = entry.value();
      } else if (entry.key() == "offset" || entry.key() == "length") {
        std::uint64_t number = 0;
        const std::string& text = entry.value();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || end != text.data() + text.size()) {
          fail(fmt::format("{}: {} '{}' of its external data (a number of bytes is needed)", what,
                           entry.key(), text),
               "The file is inconsistent; export it again");
        }
        entry.key() == "offset" ? offset = number : length = number;
      }
    }
    if (!external_) {
      fail(fmt::format("{} lies in an external data file ('{}'), which cannot be read from here",
                       what, location),
           "Save the model as one file (onnx.save_model with save_as_external_data=False)");
    }
    return external_(location, offset, length);
  }

  Tensor read_tensor(const onnx::TensorProto& proto, const std::string& what) const {
    const bool elsewhere =
        proto.has_data_location() && proto.data_location() == onnx::TensorProto::EXTERNAL;
    Tensor tensor;
    tensor.type = element_type(proto.data_type(), what);
    for (const auto extent : proto.dims()) tensor.shape.push_back(extent);
    std::int64_t count = 0;
    try {
      count = element_count(tensor.shape);
    } catch (const DataError& error) {
      fail(fmt::format("{}: {}", what, error.what()), "The file is inconsistent; export it again");
    }
    if (count > static_cast<std::int64_t>(model_bytes_limit)) {
      fail(fmt::format("{} claims {} elements", what, count), "The file is inconsistent");
    }
    const bool raw = elsewhere || proto.has_raw_data();
    const std::string fetched = elsewhere ? fetch(proto, what) : std::string();
    const std::string& bytes = elsewhere ? fetched : proto.raw_data();
    auto& reals = tensor.reals;
    auto& integers = tensor.integers;
    switch (proto.data_type()) {
      case onnx::TensorProto::FLOAT:
        raw ? copy_raw<float>(bytes, count, reals, what)
            : copy_field(proto.float_data(), count, reals, what);
        break;
      case onnx::TensorProto::DOUBLE:
        raw ? copy_raw<double>(bytes, count, reals, what)
            : copy_field(proto.double_data(), count, reals, what);
        break;
      case onnx::TensorProto::FLOAT16: {
        std::vector<std::uint16_t> halves;
        raw ? copy_raw<std::uint16_t>(bytes, count, halves, what)
            : copy_field(proto.int32_data(), count, halves, what);
        for (const auto half : halves) reals.push_back(from_half(half));
        break;
      }
      case onnx::TensorProto::INT64:
        raw ? copy_raw<std::int64_t>(bytes, count, integers, what)
            : copy_field(proto.int64_data(), count, integers, what);
        break;
      case onnx::TensorProto::INT32:
        tensor.stored_bits = 32;
        raw ? copy_raw<std::int32_t>(bytes, count, integers, what)
            : copy_field(proto.int32_data(), count, integers, what);
        break;
      case onnx::TensorProto::UINT32:
        tensor.stored_bits = 32;
        tensor.stored_signed = false;
        raw ? copy_raw<std::uint32_t>(bytes, count, integers, what)
            : copy_field(proto.uint64_data(), count, integers, what);
        break;
      case onnx::TensorProto::INT16:
        tensor.stored_bits = 16;
        raw ? copy_raw<std::int16_t>(bytes, count, integers, what)
            : copy_field(proto.int32_data(), count, integers, what);
        break;
      case onnx::TensorProto::UINT16:
        tensor.stored_bits = 16;
        tensor.stored_signed = false;
        raw ? copy_raw<std::uint16_t>(bytes, count, integers, what)
            : copy_field(proto.int32_data(), count, integers, what);
        break;
      case onnx::TensorProto::INT8:
        tensor.stored_bits = 8;
        raw ? copy_raw<std::int8_t>(bytes, count, integers, what)
            : copy_field(proto.int32_data(), count, integers, what);
        break;
      default:  // UINT8 and BOOL: element_type() let nothing else through
        tensor.stored_bits = 8;
        tensor.stored_signed = false;
        raw ? copy_raw<std::uint8_t>(bytes, count, integers, what)
            : copy_field(proto.int32_data(), count, integers, what);
        break;
    }
    for (std::size_t i = 0; i < reals.size(); ++i) {
      // Masks of attention are written as -inf by some exporters; weights never are.
      if (std::isnan(reals[i]) || (std::isinf(reals[i]) && count > 1)) {
        fail(fmt::format("{}: element {} is {} (a weight must be finite)", what, i, reals[i]),
             "Check the training run that made the file");
      }
    }
    return tensor;
  }

  Attribute read_attribute(const onnx::AttributeProto& proto, const std::string& what) const {
    switch (proto.type()) {
      case onnx::AttributeProto::INT:
        return static_cast<std::int64_t>(proto.i());
      case onnx::AttributeProto::FLOAT:
        return static_cast<double>(proto.f());
      case onnx::AttributeProto::STRING:
        return proto.s();
      case onnx::AttributeProto::INTS:
        return std::vector<std::int64_t>(proto.ints().begin(), proto.ints().end());
      case onnx::AttributeProto::FLOATS:
        return std::vector<double>(proto.floats().begin(), proto.floats().end());
      case onnx::AttributeProto::STRINGS:
        return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
      case onnx::AttributeProto::TENSOR:
        return read_tensor(proto.t(), fmt::format("{} attribute '{}'", what, proto.name()));
      default:
        fail(fmt::format("{}: attribute '{}' is of a kind that is not supported", what,
                         proto.name()),
             "Control flow and sequences cannot be mapped onto optical tiles; export without them");
    }
  }

  // What names mean: of the graph, or inside one call of a function.
  struct Scope {
    std::unordered_map<std::string, ValueId>& values;
    std::string prefix;                                             // of names of nodes and values
    std::map<std::string, const onnx::AttributeProto*> attributes;  // of the call
    std::vector<Guard> guards = {};                                 // branches that it lies in
    const Scope* outer = nullptr;                                   // whose values a branch reads
  };

  static bool is_standard(const std::string& domain) {
    return domain.empty() || domain == "ai.onnx";
  }

  // An attribute, or what the call of the function gives for it; nullptr where it gives nothing.
  static const onnx::AttributeProto* resolve(const onnx::AttributeProto& attribute,
                                             const Scope& scope) {
    if (attribute.ref_attr_name().empty()) return &attribute;
    const auto found = scope.attributes.find(attribute.ref_attr_name());
    return found == scope.attributes.end() ? nullptr : found->second;
  }

  void read_any_node(const onnx::NodeProto& proto, Scope& scope, int depth) {
    const auto function = functions_.find({proto.domain(), proto.op_type()});
    if (function != functions_.end()) {
      read_call(proto, *function->second, scope, depth);
    } else if (proto.op_type() == "If" && is_standard(proto.domain())) {
      read_if(proto, scope, depth);
    } else {
      read_node(proto, scope);
    }
  }

  // Exporters write an If where a shape was not known to them, most often one that drops an axis if
  // its extent is 1. Both branches are read, each node with the condition under which it runs;
  // which one does is known once the inputs' shapes are (bind_inputs).
  void read_if(const onnx::NodeProto& proto, Scope& scope, int depth) {
    Node node;
    node.op = "If";
    node.name = unique_name(proto, scope);
    const std::string what = graph_.describe(node);
    require_depth(depth, what);
    if (proto.input_size() != 1 || proto.output_size() < 1) {
      fail(fmt::format("{} has {} inputs and {} outputs", what, proto.input_size(),
                       proto.output_size()),
           "The file is inconsistent; export it again");
    }
    node.inputs.push_back(look_up(proto.input(0), scope, what));
    node.guards = scope.guards;
    for (const bool wanted : {true, false}) {
      const char* name = wanted ? "then_branch" : "else_branch";
      const auto branch =
          std::find_if(proto.attribute().begin(), proto.attribute().end(),
                       [name](const auto& attribute) { return attribute.name() == name; });
      if (branch == proto.attribute().end() || !branch->has_g() ||
          branch->g().output_size() != proto.output_size()) {
        fail(fmt::format("{} has no {} of {} outputs", what, name, proto.output_size()),
             "The file is inconsistent; export it again");
      }
      std::unordered_map<std::string, ValueId> values;
      Scope inner{values, fmt::format("{}/{}/", node.name, name), scope.attributes, scope.guards,
                  &scope};
      inner.guards.push_back({node.inputs[0], wanted});
      for (const auto& initializer : branch->g().initializer()) {
        const ValueId id = declare(initializer.name(), values, inner.prefix);
        set_constant(id, read_tensor(initializer, "initializer '" + initializer.name() + "'"));
      }
      for (const auto& each : branch->g().node()) read_any_node(each, inner, depth + 1);
      for (const auto& output : branch->g().output()) {
        node.inputs.push_back(look_up(output.name(), inner, what));
      }
    }
    for (const auto& name : proto.output()) {
      node.outputs.push_back(declare(name, scope.values, scope.prefix));
    }
    graph_.nodes.push_back(std::move(node));
  }

  // Functions and branches lie in each other.
  void require_depth(int depth, const std::string& what) const {
    constexpr int deepest = 64;
    constexpr std::size_t most_nodes = 200'000;
    if (depth > deepest || graph_.nodes.size() > most_nodes) {
      fail(what + ": functions or branches lie in each other too deep or too often",
           "The file is inconsistent; export it again");
    }
  }

  // A function of the model (as PyTorch's dynamo exporter writes modules and operators): its nodes
  // in the place of the call.
  void read_call(const onnx::NodeProto& proto, const onnx::FunctionProto& function, Scope& scope,
                 int depth) {
    const std::string what =
        fmt::format("call of function '{}'", proto.name().empty() ? function.name() : proto.name());
    require_depth(depth, what);
    for (const auto& opset : function.opset_import()) {
      if (is_standard(opset.domain()) && opset.version() != graph_.opset) {
        fail(fmt::format("{}: it is of opset {} in a model of opset {}", what, opset.version(),
                         graph_.opset),
             "Export the model again with one opset");
      }
    }
    if (proto.input_size() > function.input_size() ||
        proto.output_size() > function.output_size()) {
      fail(what + ": more inputs or outputs than the function has",
           "The file is inconsistent; export it again");
    }
    std::unordered_map<std::string, ValueId> values;
    for (int i = 0; i < function.input_size(); ++i) {
      const bool given = i < proto.input_size() && !proto.input(i).empty();
      values[function.input(i)] = given ? look_up(proto.input(i), scope, what) : no_value;
    }
    Scope inner{values,
                scope.prefix + (proto.name().empty() ? function.name() : proto.name()) + "/",
                {},
                scope.guards};
    const auto defaults = default_attributes(function, what);
    for (const auto& attribute : defaults) inner.attributes[attribute.name()] = &attribute;
    for (const auto& attribute : proto.attribute()) {
      if (const auto* given = resolve(attribute, scope)) inner.attributes[attribute.name()] = given;
    }
    for (const auto& node : function.node()) read_any_node(node, inner, depth + 1);
    for (int i = 0; i < proto.output_size(); ++i) {
      if (proto.output(i).empty()) continue;
      const auto found = values.find(function.output(i));
      if (found == values.end() || found->second == no_value) {
        fail(fmt::format("{}: output '{}' is not computed", what, function.output(i)),
             "The file is inconsistent; export it again");
      }
      if (!scope.values.emplace(proto.output(i), found->second).second) {
        fail(fmt::format("value '{}' is defined twice", proto.output(i)),
             "The file is inconsistent; export it again");
      }
    }
  }

  // FunctionProto.attribute_proto, which older protocol definitions do not know: attributes with
  // their defaults.
  std::vector<onnx::AttributeProto> default_attributes(const onnx::FunctionProto& function,
                                                       const std::string& what) const {
    constexpr int field_number = 11;
    std::vector<onnx::AttributeProto> result;
    const auto& unknown = function.GetReflection()->GetUnknownFields(function);
    for (int i = 0; i < unknown.field_count(); ++i) {
      const auto& field = unknown.field(i);
      if (field.number() != field_number ||
          field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
        continue;
      }
      if (!result.emplace_back().ParseFromString(field.length_delimited())) {
        fail(what + ": a default attribute that does not parse",
             "The file is inconsistent; export it again");
      }
    }
    return result;
  }

  ValueId look_up(const std::string& name, const Scope& scope, const std::string& what) const {
    const Scope* at = &scope;
    auto found = at->values.find(name);
    while (found == at->values.end() && at->outer != nullptr) {
      at = at->outer;
      found = at->values.find(name);
    }
    if (found == at->values.end()) {
      fail(fmt::format("{} reads '{}', which no earlier node computes", what, name),
           "The file is inconsistent; export it again");
    }
    return found->second;
  }

  std::string unique_name(const onnx::NodeProto& proto, const Scope& scope) {
    const bool named = !proto.name().empty() || proto.output_size() == 0;
    std::string name = scope.prefix + (named ? proto.name() : proto.output(0));
    if (!names_.insert(name).second) {
      name += fmt::format("#{}", graph_.nodes.size());
      names_.insert(name);
    }
    return name;
  }

  // Converters of classical machine learning put the class's own name behind its score: look-ups by
  // text, and a dictionary of the scores. An output that comes from there is left out; the scores
  // stay. True where the node is done with.
  bool is_left_out(const onnx::NodeProto& proto, Scope& scope, const std::string& what) {
    const bool machine_learning = proto.domain() == "ai.onnx.ml";
    const std::string& op = proto.op_type();
    if (machine_learning && op == "ZipMap" && proto.input_size() == 1 && proto.output_size() == 1) {
      scope.values.emplace(proto.output(0), look_up(proto.input(0), scope, what));
      return true;
    }
    std::string reason;
    if (machine_learning && (op == "ArrayFeatureExtractor" || op == "LabelEncoder")) {
      reason = fmt::format("{} is of domain 'ai.onnx.ml' (it looks up names of classes)", what);
    }
    for (const auto& name : proto.input()) {
      const auto found =
          name.empty() ? left_out_.end() : left_out_.find(look_up(name, scope, what));
      if (found != left_out_.end()) reason = found->second;
    }
    if (reason.empty()) return false;
    for (const auto& name : proto.output()) {
      if (!name.empty()) leave_out(declare(name, scope.values, scope.prefix), reason);
    }
    return true;
  }

  void leave_out(ValueId id, const std::string& reason) { left_out_.emplace(id, reason); }

  void read_node(const onnx::NodeProto& proto, Scope& scope) {
    Node node;
    node.op = proto.op_type();
    node.name = unique_name(proto, scope);
    node.guards = scope.guards;
    const std::string what = graph_.describe(node);
    if (is_left_out(proto, scope, what)) return;
    if (!is_standard(proto.domain())) {
      fail(fmt::format("{} is of domain '{}', which is not supported", what, proto.domain()),
           "Export with standard ONNX operators only");
    }
    for (const auto& attribute : proto.attribute()) {
      if (const auto* given = resolve(attribute, scope)) {
        node.attributes.emplace(attribute.name(), read_attribute(*given, what));
      }
    }
    for (const auto& name : proto.input()) {
      node.inputs.push_back(name.empty() ? no_value : look_up(name, scope, what));
    }
    for (const auto& name : proto.output()) {
      if (name.empty()) {
        Value unused;
        unused.name = fmt::format("{}#unused{}", node.name, node.outputs.size());
        node.outputs.push_back(graph_.add_value(std::move(unused)));
      } else {
        node.outputs.push_back(declare(name, scope.values, scope.prefix));
      }
    }
    if (node.outputs.empty()) fail(what + " has no output", "The file is inconsistent");
    check_supported(graph_, node);
    graph_.nodes.push_back(std::move(node));
  }

  static constexpr std::uint64_t model_bytes_limit = std::uint64_t{1} << 31;

  onnx::ModelProto& model_;
  std::string file_;
  const ExternalWeightReader& external_;
  Graph graph_;
  std::unordered_map<std::string, ValueId> by_name_;
  std::set<std::string> names_;
  std::map<ValueId, std::string> left_out_;  // values that are not read, and why
  std::map<std::pair<std::string, std::string>, const onnx::FunctionProto*> functions_;
};

}  // namespace

namespace {

Graph import_from(google::protobuf::io::ZeroCopyInputStream& source, const std::string& file_name,
                  const ExternalWeightReader& external) {
  // A library does not print: a broken file is reported by the exception below.
  const google::protobuf::LogSilencer silence;
  onnx::ModelProto model;
  google::protobuf::io::CodedInputStream stream(&source);
  stream.SetTotalBytesLimit(std::numeric_limits<int>::max());
  if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    throw DataError(
        fmt::format("{}: not a complete ONNX model (the protobuf does not parse beyond {} bytes). "
                    "Check that the file was copied or downloaded whole.",
                    file_name, stream.CurrentPosition()));
  }
  if (!model.has_graph()) {
    throw DataError(fmt::format("{}: no graph in the ONNX model. Export it again.", file_name));
  }
  return Importer(model, file_name, external).run();
}

}  // namespace

Graph import_onnx(std::span<const std::byte> bytes, const std::string& file_name) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw DataError(
        fmt::format("{}: {} bytes (an ONNX model has at most 2 GiB). Split its weights "
                    "off, or use a smaller network.",
                    file_name, bytes.size()));
  }
  google::protobuf::io::ArrayInputStream array(bytes.data(), static_cast<int>(bytes.size()));
  const ExternalWeightReader none;
  return import_from(array, file_name, none);
}

Graph import_onnx(std::istream& stream, const std::string& file_name) {
  const ExternalWeightReader none;
  return import_onnx(stream, file_name, none);
}

Graph import_onnx(std::istream& stream, const std::string& file_name,
                  const ExternalWeightReader& external) {
  google::protobuf::io::IstreamInputStream source(&stream, 1 << 16);
  return import_from(source, file_name, external);
}

}  // namespace attojoule::network
