// Small networks against ONNX Runtime: every operator with the attributes that exporters write,
// graphs in the style of exporters, and random networks (tools/dev/reference_operators.py). The
// plain definition and the program must both give the stored output.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/hdf5.hpp"
#include "network/graph.hpp"
#include "network/operator_notes.hpp"
#include "network/operators.hpp"
#include "network/program.hpp"

namespace attojoule::tests {
namespace {

using network::Shape;

struct Case {
  std::string what;
  std::vector<std::byte> model;
  std::vector<Shape> shapes;
  std::vector<std::vector<float>> inputs;
  std::vector<float> output;
};

class CaseFile {
 public:
  explicit CaseFile(const std::string& path)
      : file_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose) {
    if (!file_) throw std::runtime_error("no file of cases " + path);
  }

  std::vector<Case> read() const {
    std::vector<Case> cases;
    for (const std::string& name : children()) {
      const data::Hdf5Handle group(H5Gopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Gclose);
      Case one;
      one.what = name + " " + text(group.get(), "what");
      one.model = array<std::byte>(group.get(), "model", H5T_NATIVE_UINT8, nullptr);
      for (int k = 0; H5Lexists(group.get(), input(k).c_str(), H5P_DEFAULT) > 0; ++k) {
        Shape shape;
        one.inputs.push_back(array<float>(group.get(), input(k), H5T_NATIVE_FLOAT, &shape));
        one.shapes.push_back(shape);
      }
      one.output = array<float>(group.get(), "output", H5T_NATIVE_FLOAT, nullptr);
      cases.push_back(std::move(one));
    }
    return cases;
  }

 private:
  static std::string input(int k) { return "input" + std::to_string(k); }

  std::vector<std::string> children() const {
    std::vector<std::string> names;
    const auto collect = [](hid_t, const char* name, const H5L_info_t*, void* into) -> herr_t {
      static_cast<std::vector<std::string>*>(into)->emplace_back(name);
      return 0;
    };
    H5Literate(file_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names);
    return names;
  }
  static std::string text(hid_t group, const char* name) {
    const data::Hdf5Handle attribute(H5Aopen(group, name, H5P_DEFAULT), H5Aclose);
    const data::Hdf5Handle type(H5Aget_type(attribute.get()), H5Tclose);
    char* value = nullptr;
    if (H5Aread(attribute.get(), type.get(), static_cast<void*>(&value)) < 0) return "?";
    std::string result = value;
    H5free_memory(value);
    return result;
  }
  template <class T>
  static std::vector<T> array(hid_t group, const std::string& name, hid_t type, Shape* shape) {
    const data::Hdf5Handle set(H5Dopen2(group, name.c_str(), H5P_DEFAULT), H5Dclose);
    const data::Hdf5Handle space(H5Dget_space(set.get()), H5Sclose);
    std::vector<hsize_t> extents(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space.get())));
    H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
    if (shape != nullptr) shape->assign(extents.begin(), extents.end());
    std::vector<T> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get())));
    if (H5Dread(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
      throw std::runtime_error("cannot read " + name);
    }
    return values;
  }

  data::Hdf5Handle file_;
};

std::string file_of_cases() {
  // More cases than are stored here: made by the same script with another seed.
  const char* other = std::getenv("ATTOJOULE_OPERATOR_CASES");
  return other != nullptr ? other
                          : std::string(ATTOJOULE_SOURCE_DIR) + "/tests/golden/operators.h5";
}

std::vector<float> plain_output(const network::Graph& graph,
                                const std::vector<std::vector<float>>& inputs) {
  std::vector<network::DoubleTensor> values(graph.values.size());
  const auto at = [&](network::ValueId id) -> network::DoubleTensor& {
    return values[static_cast<std::size_t>(id)];
  };
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].constant) values[i] = network::to_double(*graph.values[i].constant);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& value = graph.value(graph.inputs[i]);
    at(graph.inputs[i]) = {value.type, value.shape, {inputs[i].begin(), inputs[i].end()}};
  }
  for (const network::Node& node : graph.nodes) {
    network::InputTensors operands;
    for (const network::ValueId id : node.inputs) {
      operands.push_back(id == network::no_value ? nullptr : &at(id));
    }
    auto outputs = network::evaluate(graph, node, operands);
    for (std::size_t i = 0; i < outputs.size(); ++i) at(node.outputs[i]) = std::move(outputs[i]);
  }
  const auto& result = at(graph.outputs[0]).values;
  return {result.begin(), result.end()};
}

std::vector<float> program_output(const network::Program& program,
                                  const std::vector<std::vector<float>>& inputs) {
  auto lane = program.make_lane();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto target = lane.input(i);
    if (target.size() != inputs[i].size()) throw std::runtime_error("input of another size");
    std::copy(inputs[i].begin(), inputs[i].end(), target.begin());
  }
  const auto output = program.run(lane, 0, {}, {});
  return {output.begin(), output.end()};
}

// Single precision on both sides: 2e-5 of the largest output.
std::string difference(const std::vector<float>& got, const std::vector<float>& wanted) {
  if (got.size() != wanted.size()) {
    return std::to_string(got.size()) + " outputs where the reference has " +
           std::to_string(wanted.size());
  }
  double largest = 1e-3;
  for (const float value : wanted) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double off = std::abs(static_cast<double>(got[i]) - wanted[i]);
    if (!(off <= 2e-5 * largest)) {
      return "output " + std::to_string(i) + " of " + std::to_string(got.size()) + " is " +
             std::to_string(got[i]) + ", reference " + std::to_string(wanted[i]);
    }
  }
  return "";
}

const char* to_string(network::DigitalWay way) {
  switch (way) {
    case network::DigitalWay::fused:
      return "fused";
    case network::DigitalWay::view:
      return "view";
    case network::DigitalWay::library:
      return "onednn";
    case network::DigitalWay::kernel:
      return "kernel";
    case network::DigitalWay::plain:
      return "plain";
  }
  return "?";
}

std::set<std::string> noted_ways(const network::OperatorWays& ways) {
  std::set<std::string> result;
  if (ways.product) result.insert("product");
  if (ways.fused) result.insert("fused");
  if (ways.view) result.insert("view");
  if (ways.onednn) result.insert("onednn");
  if (ways.kernel) result.insert("kernel");
  if (ways.plain) result.insert("plain");
  if (ways.folded) result.insert("folded");
  return result;
}

// How each node of the file ran: rewrites name their nodes NODE or NODE/PART, so that what a
// product was rewritten to is told apart from the file's own nodes.
void collect_ways(const network::Graph& imported, const network::Program& program,
                  std::map<std::string, std::set<std::string>>& ways) {
  for (const auto& node : imported.nodes) {
    const auto belongs = [&](const std::string& name) {
      return name == node.name || name.starts_with(node.name + "/");
    };
    const bool rewritten = node.op == "Einsum" || node.op == "ConvTranspose" || node.op == "Gemm";
    bool ran = false;
    for (const auto& product : program.products()) {
      if (!belongs(product.name)) continue;
      ways[node.op].insert("product");
      ran = true;
    }
    const bool has_product = ran;
    for (const auto& operation : program.digital_operations()) {
      // What stands around a rewritten product moves numbers only; it is no way of its own.
      if (operation.name != node.name && !(rewritten && belongs(operation.name))) continue;
      if (!has_product) ways[node.op].insert(to_string(operation.way));
      ran = true;
    }
    if (ran) continue;
    // Constants fold whatever the operator; others only what has no effect, or has a place
    // elsewhere.
    static const std::set<std::string> always{
        "Constant", "ConstantOfShape", "Dropout", "EyeLike", "Identity",          "NonZero",
        "Range",    "Shape",           "Size",    "Pad",     "BatchNormalization"};
    if (always.contains(node.op)) ways[node.op].insert("folded");
  }
}

// The plain definition as imported, simplified, and as a program. `see` is called with the imported
// graph and the program.
template <class See>
void expect_reference(const Case& one, See see) {
  try {
    network::Graph graph = network::import_onnx(one.model, one.what);
    const network::Graph imported = graph;
    network::bind_inputs(graph, one.shapes);
    EXPECT_EQ(difference(plain_output(graph, one.inputs), one.output), "") << "plain: " << one.what;
    network::simplify(graph);
    EXPECT_EQ(difference(plain_output(graph, one.inputs), one.output), "")
        << "simplified: " << one.what;
    const network::Program program(std::move(graph), {});
    EXPECT_EQ(difference(program_output(program, one.inputs), one.output), "")
        << "program: " << one.what;
    see(imported, program);
  } catch (const std::exception& error) {
    ADD_FAILURE() << one.what << ": " << error.what();
  }
}

// Graphs as real exporters write them (tools/dev/reference_exporters.py): all that computes runs.
TEST(ExportedNetworks, equal_onnx_runtime) {
  const auto cases =
      CaseFile(std::string(ATTOJOULE_SOURCE_DIR) + "/tests/golden/exporters.h5").read();
  std::map<std::string, int> products;  // optical ones, by exporter
  for (const Case& one : cases) {
    const std::string exporter = one.what.substr(one.what.find(' ') + 1);
    expect_reference(one, [&](const network::Graph&, const network::Program& program) {
      EXPECT_FALSE(program.products().empty()) << one.what;
      products[exporter.substr(0, exporter.find(':'))] +=
          static_cast<int>(program.products().size());
    });
  }
  for (const char* exporter : {"torch-script", "dynamo", "tf2onnx", "quantised"}) {
    EXPECT_GE(products[exporter], 10) << exporter;
  }
}

TEST(OperatorReference, plain_definitions_and_programs_equal_onnx_runtime) {
  const auto cases = CaseFile(file_of_cases()).read();
  ASSERT_FALSE(cases.empty());
  std::set<std::string> seen;
  std::map<std::string, std::set<std::string>> ways;
  for (const Case& one : cases) {
    expect_reference(one, [&](const network::Graph& imported, const network::Program& program) {
      for (const auto& node : imported.nodes) seen.insert(node.op);
      collect_ways(imported, program, ways);
    });
  }
  if (std::getenv("ATTOJOULE_OPERATOR_CASES") != nullptr) return;
  const auto notes = network::operator_notes();
  const auto known = network::all_operators();
  ASSERT_EQ(notes.size(), known.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    EXPECT_STREQ(notes[i].name, known[i]->name) << "notes are not one for each operator, sorted";
    EXPECT_TRUE(seen.contains(known[i]->name)) << known[i]->name << " is in no case";
    EXPECT_EQ(ways[known[i]->name], noted_ways(notes[i].ways)) << known[i]->name;
  }
}

TEST(OperatorReference, comparison_sees_a_small_error) {
  auto one = CaseFile(file_of_cases()).read().at(0);
  ASSERT_EQ(difference(one.output, one.output), "");
  auto wrong = one.output;
  float largest = 0;
  for (const float value : wrong) largest = std::max(largest, std::abs(value));
  wrong[0] += 5e-5f * largest;
  EXPECT_NE(difference(wrong, one.output), "");
}

}  // namespace
}  // namespace attojoule::tests
