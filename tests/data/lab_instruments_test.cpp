// CSV of instruments: small files as each vendor writes them, their traps, and broken ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/lab_file.hpp"
#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"
#include "tests/support/assets.hpp"

namespace attojoule::data {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class Instrument : public testing::Test {
 protected:
  LabTable read(const std::string& text) { return read_lab_file(folder_.write("t.csv", text)); }
  std::string message(const std::string& text) {
    const std::string prefix = folder_.path().string() + "/";
    std::string problem = message_of<Error>([&] { read(text); });
    if (problem.starts_with(prefix)) problem.erase(0, prefix.size());
    return problem;
  }
  TemporaryFolder folder_;
};

const std::string siglent_head =
    "#Machine Module,SSA3021X\n#Y Axis Unit,dBm\n#Impedance,50\n#Number of Points,2\n"
    "#Average Type,Log Pwr\n#RBW,300000.000000,Auto\n#Marker Information\n"
    "#Marker,Trace,Type,X Axis,Amplitude\n#M1,A,Frequency,5.0 MHz,-53.48 dBm\n"
    "#Trace Name,Trace A,Trace B\n#Trace Type,View,Blank\n#Trace Detector,Sample,Pos Peak\n"
    "#Trace Data\n";

TEST_F(Instrument, SiglentAnalyser) {
  const LabTable table = read("# my note\n" + siglent_head + "0.0e+00,-1.5e+01,\n1e6,-20,\n");
  EXPECT_EQ(table.format, "siglent");
  ASSERT_EQ(table.columns.size(), 2u);
  EXPECT_THAT(table.column("Trace A").values, ElementsAre(-15, -20));
  EXPECT_EQ(table.column("Trace A").settings.at("detector"), "Sample");
  EXPECT_EQ(setting_in(table, "RBW", "Hz"), 300e3);
  EXPECT_EQ(setting_in(table, "impedance", "ohm"), 50.0);
  EXPECT_EQ(table.settings.at("averaging"), "log");
  EXPECT_EQ(table.settings.count("M1"), 0u);
  EXPECT_THAT(table.warnings, ElementsAre(HasSubstr("Trace B is switched off")));
  EXPECT_THAT(message(siglent_head), StartsWith("t.csv:13: no rows"));
  EXPECT_THAT(message(siglent_head.substr(0, siglent_head.size() - 12)),
              HasSubstr("no line \"Trace Data\""));
  EXPECT_THAT(message(siglent_head + "1,2,\n3\n"), StartsWith("t.csv:15: 1 cells"));
  EXPECT_THAT(message(siglent_head + "1,2,\n3,--,\n"), StartsWith("t.csv:15:2: \"--\""));
  EXPECT_THAT(read(siglent_head + "1,2,\n").warnings,
              Contains(HasSubstr("header says 2 points, the file has 1 rows")));
}

TEST_F(Instrument, SiglentOscilloscope) {
  const LabTable table = read(
      "Record Length,Analog:2\nSample Interval,Analog:2.0E-9\n"
      "Vertical Units,CH1:V\nSource,CH1,CH3\nSecond,Volt,Volt\n"
      "-1e-9,0.1,0.3\n1e-9,0.2,0.4\n");
  EXPECT_EQ(table.format, "siglent");
  EXPECT_THAT(column_in(table, "CH3", "V"), ElementsAre(0.3, 0.4));
  EXPECT_EQ(setting_in(table, "sample interval", "s"), 2e-9);
  EXPECT_THAT(message("Record Length,Analog:2\nSource,CH1\n"), HasSubstr("no header"));
}

TEST_F(Instrument, KeysightX) {
  const std::string head =
      "AllTrace\nSwept SA\nA.25,N9038A\nOPT,01\nNumber of Points,2\n"
      "Average Type,Voltage\nRBW,120000\nTrace Type,Clearwrite,Maxhold,Clearwrite\n"
      "Detector,Normal,Peak,Average\nTrace Name,Trace1,Trace2,Trace3\n"
      "Y Axis Units,dBuV\nDATA\n";
  const LabTable table =
      read(head + "1e6,10,-893.01029995664,4\n2e6,11,-893.01029995664,-893.01029995664\n");
  EXPECT_EQ(table.format, "keysight");
  EXPECT_EQ(table.columns.size(), 2u);
  EXPECT_EQ(table.settings.at("averaging"), "voltage");
  EXPECT_THAT(table.warnings, Contains(HasSubstr("Trace2 is empty")));
  EXPECT_THAT(table.warnings, Contains(HasSubstr("Trace3 is incomplete (1 of 2")));
  EXPECT_NEAR(power_in_watt(table, "Trace1", 50)[0], 1e-11 / 50, 1e-25);
  EXPECT_THAT(message(head + "1e6,-893.01029995664\n"),
              StartsWith("t.csv:13: every trace is empty"));
  EXPECT_THAT(message(head.substr(0, head.size() - 5)), HasSubstr("no line \"DATA\""));
}

TEST_F(Instrument, KeysightHandheldWithNulBytes) {
  std::string text =
      "File:,/a.csv@\r\nSystem Parameter:@,Default Unit:dBm/Hz/s@\r\n"
      "VBW@,100000@,AUTO@,RBW@,200000@,MAN@\r\n@\r\nTrace Data:(Unit:dBuV)@\r\n"
      "Frequency(Hz)@,Trace1(VIEW)@,@\r\n1000@,43.19@,@\r\n2000@,44.1@,@\r\n";
  for (char& c : text) c = c == '@' ? '\0' : c;
  const LabTable table = read(text);
  EXPECT_EQ(table.format, "keysight");
  EXPECT_EQ(setting_in(table, "RBW", "Hz"), 200e3);
  EXPECT_EQ(table.column("Trace1").unit, "dBuV");
  EXPECT_THAT(table.column("Trace1").values, ElementsAre(43.19, 44.1));
}

TEST_F(Instrument, KeysightEsaWithoutUnitOfTheLevels) {
  const LabTable table = read(
      "07/29/15,A:\\TRACE.CSV\nTitle:,\nModel:,E4411B\n"
      "Resolution Bandwidth:,100000,Hz\n,Trace 1,Trace 2\nHz,   ,   \n"
      "5e8,3.7,-2.14748e+03\n6e8,3.8,-2.14748e+03\n");
  EXPECT_EQ(table.columns.size(), 2u);
  EXPECT_THAT(table.warnings, Contains(HasSubstr("--unit \"Trace 1=dBm\"")));
  EXPECT_THAT(message_of<DataError>([&] { column_in(table, "Trace 1", "W"); }),
              HasSubstr("has no unit"));
}

TEST_F(Instrument, KeysightOscilloscopeAndNetworkAnalyser) {
  const LabTable scope = read("x-axis,1,2\nsecond,Volt,Volt\n-1e-6,0.1,1\n1e-6,0.2,2\n");
  EXPECT_EQ(scope.format, "keysight");
  EXPECT_THAT(column_in(scope, "CH2", "V"), ElementsAre(1, 2));
  const LabTable field = read(
      "! FILETYPE CSV\n! MODEL N9918A\n! FREQ UNIT Hz\n! DATA UNIT dBm\n"
      "BEGIN\n5e9,-12.5\n6e9,-13\nEND\n");
  EXPECT_EQ(field.settings.at("instrument"), "N9918A");
  EXPECT_EQ(field.column("Trace 1").unit, "dBm");
  const LabTable network = read(
      "!CSV A.01.01\n!Date: now\nBEGIN CH1_DATA\n"
      "Freq(Hz),S21(DB),S21(DEG)\n1e9,-3,10\nEND\n");
  EXPECT_EQ(network.column("S21(DEG)").unit, "DEG");
  EXPECT_THAT(message("! FILETYPE CSV\nBEGIN\n1,2\n"), HasSubstr("\"BEGIN\" without \"END\""));
}

TEST_F(Instrument, RohdeSchwarz) {
  const std::string head =
      "Type;R&S FSW;\nVersion;5.00;\nRBW;100000;Hz\nTrace Mode;AVERAGE;\n"
      "Detector;RMS;\n";
  const LabTable table =
      read(head +
           "Trace 1:;;\nx-Unit;Hz;\ny-Unit;dBm;\nValues;2;\n10000;-10.3;\n20000;-11;\n"
           "Trace 2:;;\nTrace Mode;MAXHOLD;\nx-Unit;Hz;\ny-Unit;dBm;\nValues;2;\n"
           "10000;-1;\n20000;-2;\n");
  EXPECT_EQ(table.format, "rohde-schwarz");
  EXPECT_EQ(table.settings.at("instrument"), "R&S FSW");
  EXPECT_THAT(table.column("Trace 1").values, ElementsAre(-10.3, -11));
  EXPECT_THAT(table.column("Trace 2").values, ElementsAre(-1, -2));
  EXPECT_EQ(table.column("Trace 1").settings.at("detector"), "RMS");
  EXPECT_EQ(setting_in(table, "RBW", "Hz"), 1e5);
  const LabTable comma =
      read(head + "Trace 1;;\nx-Unit;Hz;\ny-Unit;dBm;\nValues;1;\n10000,5;-10,3;-11,5\n");
  EXPECT_THAT(comma.column("Trace 1 (min)").values, ElementsAre(-11.5));
  EXPECT_THAT(message(head + "Trace 1;;\ny-Unit;dBm;\nValues;3;\n1;2;\n"),
              HasSubstr("1 rows, line 8 announces 3"));
  EXPECT_THAT(message(head + "Trace 1;;\nValues;1;\n1;2;\n"), HasSubstr("t.csv:7: no \"y-Unit\""));
  const LabTable scope = read("in s,CH1 in V\n-1e-3,0.5\n1e-3,0.25\n");
  EXPECT_EQ(scope.format, "rohde-schwarz");
  EXPECT_THAT(column_in(scope, "CH1", "V"), ElementsAre(0.5, 0.25));
  EXPECT_THAT(column_in(scope, "time", "s"), ElementsAre(-1e-3, 1e-3));
}

TEST_F(Instrument, TektronixOscilloscopes) {
  const LabTable beside = read(
      "Record Length,2.0e+00,,-0.0005,0.02,\nSample Interval,4e-7,,0.0005,"
      "0.03,\n,,,0.0015,0.04,\n");
  EXPECT_EQ(beside.format, "tektronix");
  EXPECT_THAT(beside.column("time").values, ElementsAre(-0.0005, 0.0005, 0.0015));
  EXPECT_THAT(beside.warnings, Contains(HasSubstr("--unit CH1=V")));
  const LabTable above = read(
      "Model,MSO54\nWaveform Type,ANALOG\nHorizontal Units,s\n"
      "Vertical Units,V,,A\nRecord Length,2,,2\nTIME,CH1,,CH2\n"
      "-1e-3,0.5,,1\n1e-3,0.25,,2\n");
  EXPECT_THAT(column_in(above, "CH1", "V"), ElementsAre(0.5, 0.25));
  EXPECT_THAT(column_in(above, "CH2", "A"), ElementsAre(1, 2));
  const LabTable envelope = read(
      "Model,MSO54\nHorizontal Units,s\nVertical Units,V,,mV\nRecord Length,1,,1\n"
      "TIME,CH1,CH1 Peak Detect,CH2\n0,0.5,0.6,7\n");
  EXPECT_EQ(envelope.columns[2].unit, "V");
  EXPECT_EQ(envelope.columns[3].unit, "mV");
}

TEST_F(Instrument, TektronixSpectrum) {
  const std::string head =
      "Spectrum,now\n[Global Parameters]\nFrequency,6e6,Hz\n[Parameters]\n"
      "Resolution Bandwidth,9000,Hz\n[Trace Parameters]\nTrace 1\n"
      "Selected,true,\nFunction,MaxHold,\n[Traces]\n[Trace]\n";
  const LabTable table = read(head +
                              "Trace 1,,dBm,0,1\nNumberPoints,2\nXStart,1,Hz\n"
                              "-57.5,1000\n-40,2000\n");
  EXPECT_EQ(table.format, "tektronix");
  EXPECT_THAT(table.column("frequency").values, ElementsAre(1000, 2000));
  EXPECT_THAT(table.column("Trace 1").values, ElementsAre(-57.5, -40));
  EXPECT_THAT(table.warnings, Contains(HasSubstr("MaxHold")));
  EXPECT_EQ(setting_in(table, "RBW", "Hz"), 9000.0);
  EXPECT_THAT(message(head + "Trace 1,,dBm\nNumberPoints,3\n-57.5,1000\n"),
              HasSubstr("1 rows of \"Trace 1\", NumberPoints says 3"));
}

TEST_F(Instrument, LeCroy) {
  const LabTable table = read(
      "LECROYWR625Zi,61392,Waveform\nSegments,1,SegmentSize,2\n"
      "Segment,TrigTime,TimeSinceSegment1\n#1,28-Jan-2014 14:49:09,0\n"
      "Time,Ampl\n-2e-9,0.5\n2e-9,0.25\n");
  EXPECT_EQ(table.format, "lecroy");
  EXPECT_THAT(column_in(table, "Ampl", "V"), ElementsAre(0.5, 0.25));
  EXPECT_THAT(column_in(table, "time", "s"), ElementsAre(-2e-9, 2e-9));
  EXPECT_THAT(message("LECROYWR625Zi,61392,Waveform\nSegments,1,SegmentSize,2\n"),
              HasSubstr("no header"));
}

TEST_F(Instrument, SharedAnalyserFiles) {
  ATTOJOULE_ASSET(esa, "lab/spectrum_analyser/E4411DATA.CSV");
  const std::filesystem::path folder = esa.parent_path();
  const LabTable agilent = read_lab_file(esa);
  EXPECT_EQ(agilent.columns.size(), 2u);
  EXPECT_EQ(agilent.rows(), 401u);
  EXPECT_THAT(agilent.warnings, Contains(HasSubstr("Trace 3 is empty")));
  const LabTable all = read_lab_file(folder / "N9038A_AllTraces.csv");
  EXPECT_EQ(all.columns.size(), 5u);
  EXPECT_EQ(all.settings.at("averaging"), "voltage");
  EXPECT_EQ(all.column("Trace4").unit, "dBuV");
  EXPECT_EQ(read_lab_file(folder / "N9038A_OneTrace.csv").settings.at("averaging"), "log");
  for (const char* name : {"N9340B.CSV", "N9340B2.CSV", "RET1AMB.CSV", "TST.CSV"}) {
    const LabTable table = read_lab_file(folder / name);
    EXPECT_EQ(table.rows(), 461u) << name;
    EXPECT_EQ(table.column("Trace1").unit, name == std::string("N9340B2.CSV") ? "dBuV" : "dBm");
  }
  const LabTable tektronix = read_lab_file(folder / "1M-11M.csv");
  EXPECT_EQ(tektronix.rows(), 801u);
  EXPECT_EQ(tektronix.column("frequency").values.back(), 11e6);
  EXPECT_EQ(tektronix.column("Trace 1").values.back(), 20.075450897216797);
}

TEST_F(Instrument, SharedPhotodetectorTraces) {
  ATTOJOULE_ASSET(shot, "lab/photodetector_traces/2022-06-17_opa818_33k_20dBpostgain_shot.csv");
  const LabTable table = read_lab_file(shot);
  EXPECT_EQ(table.rows(), 751u);
  EXPECT_EQ(table.columns.size(), 5u);
  EXPECT_EQ(setting_in(table, "RBW", "Hz"), 300e3);
  EXPECT_THAT(table.warnings, IsEmpty());
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(shot.parent_path())) {
    const LabTable one = read_lab_file(entry.path());
    EXPECT_EQ(one.format, "siglent") << entry.path();
    EXPECT_TRUE(setting_in(one, "RBW", "Hz")) << entry.path();
    ++count;
  }
  EXPECT_EQ(count, 13u);
}

}  // namespace
}  // namespace attojoule::data
