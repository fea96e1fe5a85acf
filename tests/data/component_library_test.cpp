// The priced parts: cited, in range, and Walden's law as its survey has it.
#include "data/component_library.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(ComponentLibrary, EveryFamilyIsThereAndEveryEntryIsCited) {
  const auto& library = ComponentLibrary::shipped();
  std::set<std::string> families;
  for (const Component& component : library.components()) {
    families.insert(component.family);
    EXPECT_GT(component.citation.size(), 10u) << component.name;
    EXPECT_GT(component.description.size(), 5u) << component.name;
    EXPECT_FALSE(component.node.empty()) << component.name;
    EXPECT_TRUE(component.year >= 1990 && component.year <= 2030) << component.name;
    EXPECT_EQ(library.find(component.family, component.name), &component);
  }
  EXPECT_EQ(families,
            (std::set<std::string>{"adc", "dac", "modulator", "receiver", "laser", "memory",
                                   "digital", "digital_mac", "optical_demonstration"}));
  std::set<std::string> nodes;
  for (const Component* mac : library.family("digital_mac")) nodes.insert(mac->node);
  EXPECT_GE(nodes.size(), 4u);
  EXPECT_EQ(library.find("adc", "albireo-moderate"), nullptr);
}

// A law's figure of merit is the median of the designs that it shows.
TEST(ComponentLibrary, WaldenLawsAreMediansOfTheirSurvey) {
  int laws = 0;
  for (const Component& component : ComponentLibrary::shipped().components()) {
    if (component.fom_j == 0) continue;
    ++laws;
    std::vector<double> foms;
    for (const SurveyPoint& point : component.points) {
      foms.push_back(point.energy_j / std::exp2(point.bits));
    }
    std::sort(foms.begin(), foms.end());
    const std::size_t n = foms.size();
    const double median = (foms[(n - 1) / 2] + foms[n / 2]) / 2;
    EXPECT_NEAR(component.fom_j, median, 5e-4 * median) << component.name;
    EXPECT_GE(n, 10u);
  }
  EXPECT_EQ(laws, 3);
}

// Component energies of Albireo, conservative, moderate and aggressive (Shiflett et al. 2021).
TEST(ComponentLibrary, Albireo) {
  const auto& library = ComponentLibrary::shipped();
  const char* cases[] = {"conservative", "moderate", "aggressive"};
  const double dac[] = {5.2e-12, 2.6e-12, 0.325e-12}, tia[] = {0.6e-12, 0.3e-12, 0.0375e-12};
  const double mzm[] = {11.3e-3, 1.41e-3, 0.565e-3}, mrr[] = {3.1e-3, 0.388e-3, 0.155e-3};
  for (int i = 0; i < 3; ++i) {
    const std::string which = cases[i];
    const auto value = [&](const char* family, const std::string& name, const char* key) {
      const Component* found = library.find(family, name + which);
      return found == nullptr ? -1 : found->value(key);
    };
    EXPECT_DOUBLE_EQ(value("dac", "albireo-", "energy_per_conversion"), dac[i]);
    EXPECT_DOUBLE_EQ(value("receiver", "albireo-tia-", "energy_per_read"), tia[i]);
    EXPECT_DOUBLE_EQ(value("modulator", "albireo-mzm-", "power"), mzm[i]);
    EXPECT_DOUBLE_EQ(value("modulator", "albireo-mrr-", "power"), mrr[i]);
  }
}

TEST(ComponentLibrary, WaldenLawAndItsRange) {
  const Component& law = *ComponentLibrary::shipped().find("adc", "walden-28nm");
  const ConfigNode place = ConfigNode::parse("walden-28nm", "d.yaml");
  EXPECT_DOUBLE_EQ(conversion_energy_j(law, 8, false, place), law.fom_j * 256);
  EXPECT_DOUBLE_EQ(conversion_energy_j(law, 9, false, place),
                   2 * conversion_energy_j(law, 8, false, place));
  EXPECT_THAT(message_of<ConfigError>([&] { conversion_energy_j(law, 16, false, place); }),
              AllOf(HasSubstr("d.yaml"), HasSubstr("16 bits"), HasSubstr("extrapolate")));
  EXPECT_DOUBLE_EQ(conversion_energy_j(law, 16, true, place), law.fom_j * 65536);
}

TEST(ComponentLibrary, RefusesWhatNoPartCouldBe) {
  const auto refusal = [](const std::string& text) {
    const TemporaryFolder folder;
    folder.write("parts.yaml", text);
    return message_of<ConfigError>(
        [&] { ComponentLibrary::load(folder.write("none.txt", "").parent_path()); });
  };
  const std::string rest = ", node: 7 nm, year: 2021, basis: measured, description: d, citation: ";
  const std::string cited = rest + "\"A paper (2021)\"}\n";
  EXPECT_THAT(refusal("family: lasers\ncomponents: {}\n"), HasSubstr("lasers"));
  EXPECT_THAT(refusal("family: laser\ncomponents:\n  a: {wall_plug_efficiency: 1.1" + cited),
              AllOf(HasSubstr("parts.yaml:3"), HasSubstr("(0, 1]")));
  EXPECT_THAT(refusal("family: memory\ncomponents:\n  a: {energy_per_byte: -1 pJ" + cited),
              HasSubstr("-1 pJ"));
  EXPECT_THAT(refusal("family: memory\ncomponents:\n  a: {energy_per_bite: 1 pJ" + cited),
              HasSubstr("energy_per_byte"));
  EXPECT_THAT(refusal("family: memory\ncomponents:\n  a: {energy_per_byte: 1 pJ" + rest + "\"\"}"),
              HasSubstr("without a source"));
  EXPECT_THAT(refusal("family: memory\ncomponents:\n  a: {energy_per_byte: 1 pJ, node: x, year: "
                      "2021, basis: guessed, description: d, citation: c}"),
              HasSubstr("measured, modelled, claimed"));
  EXPECT_THAT(refusal("family: adc\ncomponents:\n  a: {bits: [4, 9], fom: 1 fJ, points: [[1 GHz, "
                      "1 pJ, 5], [1 GHz, 1 pJ, 9]]" +
                      cited),
              HasSubstr("beyond the survey"));
}

}  // namespace
}  // namespace attojoule::data
