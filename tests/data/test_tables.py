"""Columns to features: the rules of the table in `jaxattack.data.tables`, the same from every source of columns."""

from __future__ import annotations

import importlib.util
import os
import sys

import numpy as np
import pytest

from jaxattack.data import from_frame, load, tables
from jaxattack.data import table_files as files
from jaxattack.data.declarations import Declarations
from jaxattack.types import InputError, InputWarning

pandas = pytest.importorskip("pandas", reason="the extra tables is not installed")
pyarrow = pytest.importorskip("pyarrow", reason="the extra tables is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="the extra tables is not installed")
if not importlib.util.find_spec("datasets"):  # it takes seconds to import
    pytest.skip("the library datasets is not installed", allow_module_level=True)

RANDOM = np.random.default_rng(0)
FRAME = pandas.DataFrame(
    {
        "id": [f"p{number}" for number in range(40)],
        "age": RANDOM.integers(20, 90, 40),
        "index": RANDOM.normal(25, 3, 40),
        "sex": np.where(RANDOM.random(40) < 0.5, "f", "m"),
        "smokes": RANDOM.random(40) < 0.3,
        "ward": RANDOM.choice(["b", "a", "c"], 40),
        "label": RANDOM.choice(["well", "ill"], 40),
    }
)
KINDS = ["frame", "csv", "parquet", "hugging face"]


def sources(frame, folder, kind):
    """The same table in each of its forms."""
    if kind == "frame":
        return frame
    if kind == "hugging face":
        import datasets as hugging_face

        return hugging_face.Dataset.from_pandas(frame)
    path = folder / f"records.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_columns_become_features_ids_and_labels_as_pandas_would_make_them(tmp_path, kind):
    dataset = load(sources(FRAME, tmp_path, kind))
    naive = pandas.get_dummies(FRAME.drop(columns=["id", "label"])).astype(np.float32)
    order = ["age", "index", "sex_f", "sex_m", "smokes", "ward_a", "ward_b", "ward_c"]
    np.testing.assert_array_equal(dataset.x, naive[order].to_numpy())
    assert dataset.features == tuple(order)
    assert dataset.names == ("ill", "well")
    assert dataset.ids == tuple(FRAME["id"])
    np.testing.assert_array_equal(np.array(dataset.names)[dataset.y], FRAME["label"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_roles_of_columns_are_options(tmp_path, kind):
    source = sources(FRAME.rename(columns={"smokes": "smokes, now & then"}), tmp_path, kind)
    dataset = load(source, label="smokes, now & then", id="id", drop=["ward", "label"], categories=["age"])
    ages = pandas.get_dummies(FRAME["age"].astype(str)).to_numpy()
    np.testing.assert_array_equal(dataset.x[:, : ages.shape[1]], ages)
    np.testing.assert_array_equal(dataset.y, FRAME["smokes"])
    assert dataset.x.shape[1] == ages.shape[1] + 3
    if kind in ("csv", "parquet"):
        again = load(dataset.name)
        np.testing.assert_array_equal(again.x, dataset.x)
        assert again.name == dataset.name


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (FRAME, {"label": "x"}, r"label is 'x' and there is no such column \(there are id, age, index"),
        (FRAME, {"id": "x"}, r"id is 'x' and there is no such column"),
        (FRAME, {"drop": ["x"]}, r"drop is 'x' and there is no such column"),
        (FRAME, {"size": 3}, r"takes no option 'size'"),
        (FRAME, {"label": ["age", "sex"]}, r"label is \['age', 'sex'\]: give one"),
        (FRAME, {"label": "index"}, r"which is no whole number: number the classes from 0"),
        (FRAME.drop(columns="label"), {}, r"has no column label: say which it is, as label=NAME"),
        (FRAME.assign(y=1), {}, r"several columns that may be the label \(label, y\): say which"),
        (FRAME.assign(id="same"), {}, r"the records 0 and 1 have the same id 'same'"),
        (FRAME[["id", "label"]], {}, r"has no column beside its label and id: give features"),
        (FRAME.assign(code=FRAME["id"]), {}, r"'code' holds 40 different texts in 40 records: give it as the id, drop"),
        (FRAME.assign(age=FRAME["age"].where(FRAME["age"] > 30)), {}, r"'age' has no value in \d of 40 records, first in"),
        (FRAME.assign(sex=FRAME["sex"].where(FRAME["age"] > 30)), {}, r"'sex' has no value in \d of 40 records"),
        (FRAME.assign(label=FRAME["label"].where(FRAME["age"] > 30)), {}, r"'label' has no value in \d of 40 records"),
        (FRAME.assign(day=pandas.Timestamp("2020-01-02").date()), {}, r"column 'day' holds (object|date32\[day\]): give"),
        (FRAME.assign(age=2**53 + FRAME["age"]), {}, r"'age' ranges from 9007199254741012 to .*, where float32 has 1 numbers for"),
        (FRAME.assign(sex=FRAME["sex"].where(FRAME["age"] > 50, FRAME["sex"] + " ")), {}, "'sex' holds 'f' and 'f ', which differ by"),
        (FRAME.assign(age=1e300), {}, r"x is NaN or infinite in 40 records"),
        (FRAME.assign(age=1_700_000_000 + FRAME["age"]), {}, r"'age' ranges from 1700000020 to 17000000\d\d, where float32 has"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_make_no_data_set_are_refused(tmp_path, frame, options, message, kind):
    with pytest.raises(InputError, match=message) as caught:
        load(sources(frame, tmp_path, kind), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["parquet", "hugging face"])
def test_lists_of_one_length_are_features_and_other_lists_are_refused(tmp_path, kind):
    values = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]
    frame = pandas.DataFrame({"code": values, "label": [0, 1, 0, 1]})
    np.testing.assert_array_equal(load(sources(frame, tmp_path, kind)).x, values)
    frame = pandas.DataFrame({"code": [*values[:3], [1.0]], "label": [0, 1, 0, 1]})
    with pytest.raises(InputError, match=r"'code' holds lists of double of 2 lengths"):
        load(sources(frame, tmp_path, kind))


def test_types_of_pandas_own_are_what_they_hold():
    frame = FRAME[["age", "ward", "label"]].astype({"age": "Int64", "ward": "category", "label": "category"})
    plain = from_frame(FRAME[["age", "ward", "label"]])
    dataset = from_frame(frame.assign(age=frame["age"].astype(object)), name="clinic")
    np.testing.assert_array_equal(dataset.x, plain.x)
    np.testing.assert_array_equal(from_frame(frame).x, plain.x)
    assert (dataset.name, dataset.names) == ("clinic", plain.names)
    with pytest.raises(InputError, match="frame has two columns of one name"):
        from_frame(pandas.concat([FRAME, FRAME], axis=1))


@pytest.mark.parametrize("kind", ["frame", "parquet"])
def test_numbers_that_a_frame_declares_to_be_categories_are_such(tmp_path, kind):
    frame = FRAME.assign(age=(FRAME["age"] // 10).astype("category"))
    dataset = load(sources(frame, tmp_path, kind))
    naive = pandas.get_dummies(frame["age"].astype(str)).to_numpy()
    np.testing.assert_array_equal(dataset.x[:, : naive.shape[1]], naive)
    text = frame.assign(age=frame["age"].astype(str).astype("category"))
    np.testing.assert_array_equal(load(sources(text, tmp_path, kind)).x, dataset.x)


@pytest.mark.parametrize("kind", KINDS[2:])
def test_a_frames_index_is_no_feature_of_what_was_written_of_it_unless_it_is_named(tmp_path, kind):
    plain = load(FRAME)
    gaps = pandas.Index(RANDOM.permutation(400)[:40])
    np.testing.assert_array_equal(load(sources(FRAME.set_index(gaps), tmp_path, kind)).x, plain.x)
    if kind == "parquet":  # which says of an index with a name too that it was one
        by_patient = sources(FRAME.set_index("id"), tmp_path, kind)
        assert load(by_patient).ids == plain.ids
        by_age = sources(FRAME.set_index("age"), tmp_path, kind)
        assert load(by_age).features == plain.features[1:]
        assert load(by_age, categories=["age"]).shape == load(FRAME, categories=["age"]).shape


def test_what_is_written_of_columns_that_makes_no_sense_is_refused(tmp_path):
    table = pyarrow.table({"a": [1, 2, 5, 1], "label": [0, 1, 0, 1]})
    for said, message in [
        ({"pandas": "[1"}, r"cannot be read \(what it declares of its columns is damaged"),
        ({"huggingface": '{"info": []}'}, r"cannot be read \(what it declares of its columns is damaged"),
        (
            {"huggingface": '{"info": {"features": {"a": {"_type": "ClassLabel", "names": ["x", "y"]}}}}'},
            "'a' holds 5 and declares 2 classes: declare one for each number",
        ),
    ]:
        parquet.write_table(table.replace_schema_metadata(said), tmp_path / "a.parquet")
        with pytest.raises(InputError, match=message):
            load(tmp_path / "a.parquet")


def test_a_list_of_records_among_what_hugging_face_declares_is_no_class(tmp_path):
    table = pyarrow.table({"a": [1, 2, 5, 1], "label": [0, 1, 0, 1]})
    said = {"huggingface": '{"info": {"features": {"turns": [{"role": {"dtype": "string", "_type": "Value"}}]}}}'}
    parquet.write_table(table.replace_schema_metadata(said), tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").features == ("a",)


def test_a_hugging_face_set_is_one_split_with_the_names_of_its_classes_in_the_order_asked_for():
    import datasets as hugging_face

    features = hugging_face.Features(
        {"a": hugging_face.Value("int64"), "y": hugging_face.ClassLabel(names=["no", "yes", "never"])}
    )
    source = hugging_face.Dataset.from_dict({"a": [*range(8)], "y": [0, 1] * 4}, features=features)
    dataset = load(source.select([5, 2, 3]))
    np.testing.assert_array_equal(dataset.x[:, 0], [5, 2, 3])
    assert (dataset.y.tolist(), dataset.names) == ([1, 0, 1], ("no", "yes", "never"))
    for several in (hugging_face.DatasetDict(train=source), source.to_iterable_dataset()):
        with pytest.raises(InputError, match="give one split of it, loaded without streaming"):
            load(several)


def test_classes_that_a_hugging_face_set_declares_are_categories_and_all_those_of_the_label(tmp_path, capfd):
    import datasets as hugging_face

    label = hugging_face.ClassLabel(names=["no", "yes", "never"])
    colour = hugging_face.ClassLabel(names=["red", "green"])
    values = {"colour": [1, 0, 0, 1], "y": [0, 1, 0, 1]}
    source = hugging_face.Dataset.from_dict(values, features=hugging_face.Features({"colour": colour, "y": label}))
    source.to_parquet(tmp_path / "a.parquet")
    capfd.readouterr()  # its progress
    for one in (source, tmp_path / "a.parquet"):
        dataset = load(one)
        assert (dataset.features, dataset.names) == (("colour_green", "colour_red"), tuple(label.names))
        np.testing.assert_array_equal(dataset.x[:, 0], values["colour"])
        np.testing.assert_array_equal(dataset.y, values["y"])
    unknown = hugging_face.Dataset.from_dict(values | {"y": [0, 1, -1, 1]}, features=source.features)
    with pytest.raises(InputError, match="column 'y' has no value in 1 of 4 records, first in record 2"):
        load(unknown)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"a,label\n1,2\n3\n", r"cannot be read \(CSV parse error: Expected 2 columns, got 1"),
        ("a.csv", b"\xff\xfe\x00a\n\n", r"cannot be read \('utf-8' codec"),
        ("a.csv", b"", r"cannot be read \(Empty CSV file\)"),
        ("a.csv", b"a,a,label\n1,2,x\n3,4,y\n", r"has two columns of one name: rename one"),
        ("a.csv", b"a,label\n", r"there are no records"),
        ("a.csv", b"a,label\nx\x00y,1\n", r"."),
        ("a.parquet", b"", r"cannot be read \(Parquet file size is 0 bytes"),
        ("a.parquet", b"PAR1" + bytes(99) + b"PAR1", r"cannot be read \("),
    ],
)  # fmt: skip
def test_files_that_are_no_tables_are_refused(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_files_that_are_missing_pipes_or_too_large_are_refused(tmp_path, monkeypatch, name):
    with pytest.raises(InputError, match="there is no such file"):
        load(tmp_path / name)
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=r"cannot be read \(it is a pipe or a device, no file\)"):
        load(tmp_path / name)
    path = sources(FRAME, tmp_path, name.partition(".")[2])
    monkeypatch.setattr(files, "free_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"it takes [\d,]+ bytes and 1,000 bytes of memory are free"):
        load(path)


def test_a_text_that_a_parquet_file_repeats_is_one_in_memory(tmp_path):
    table = pyarrow.table({"a": ["x" * 10**5, "y" * 10**5], "label": [0, 1]}).take([0, 1] * 200)
    parquet.write_table(table, tmp_path / "texts.parquet")
    assert (tmp_path / "texts.parquet").stat().st_size < 10**6
    begin = pyarrow.default_memory_pool().bytes_allocated()
    (column, _) = files.read_parquet(tmp_path / "texts.parquet", "texts")
    assert pyarrow.default_memory_pool().bytes_allocated() - begin < 10**7
    assert len({id(text) for text in column.values}) == 2


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_damage_anywhere_in_a_table_ends_in_a_sentence_or_a_data_set(tmp_path, kind):
    path = sources(FRAME, tmp_path, kind)
    data, random, sentences = path.read_bytes(), np.random.default_rng(0), []
    for _ in range(60):
        wrong = bytearray(data)
        for at in random.integers(len(data), size=3):
            wrong[at] = random.integers(256)
        path.write_bytes(wrong)
        try:
            load(path)
        except InputError as error:
            sentences.append(str(error))
    assert len(sentences) > 10
    assert all(map(str.isprintable, sentences))


def test_a_table_without_pyarrow_is_refused_with_what_to_install(tmp_path, monkeypatch):
    path = sources(FRAME, tmp_path, "csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="reading it needs pyarrow: pip install "):
        load(path)
    assert len(from_frame(FRAME)) == 40


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (lambda age: "?" if age < 25 else str(age), r"a number, as \d+ and \d+ more beside \?: write numbers alone"),
        (lambda age: f"{1000 * age:,}", r"in 40 of 40 records a number, as \d\d,000 and"),
        (lambda age: f"{age}%", r"in 40 of 40 records a number, as \d\d%"),
        (lambda age: f"{age},5", r"in 40 of 40 records a number, as \d\d,5"),
        (lambda age: f"$ {age}", r"in 40 of 40 records a number, as \$ \d\d"),
        (lambda age: f"\u2212{age % 7}.5", r"in 40 of 40 records a number, as \u2212\d.5"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_that_are_text_are_refused_unless_they_are_named_as_categories(tmp_path, kind, age, shown):
    frame = FRAME.assign(age=[age(one) for one in FRAME["age"]])
    source = sources(frame, tmp_path, kind)
    with pytest.raises(InputError, match=shown):
        load(source)
    columns = frame["age"].nunique()
    assert load(source, categories=["age"]).x.shape[1] == load(source, drop=["age"]).x.shape[1] + columns


def test_ranges_of_numbers_and_counts_with_a_last_class_above_are_categories():
    frame = FRAME.assign(age=[f"{age // 30 * 30}-{age // 30 * 30 + 29}" for age in FRAME["age"]])
    assert load(frame).x.shape[1] == load(frame, drop=["age"]).x.shape[1] + frame["age"].nunique()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "number", [np.arange(40), np.roll(np.arange(5, 45), 7), np.cumsum(1 + np.arange(40) % 3), np.arange(40.0)]
)
def test_a_column_that_numbers_the_records_is_told(tmp_path, kind, number):
    source = sources(FRAME.assign(row=number), tmp_path, kind)
    with pytest.warns(InputWarning, match="column 'row' numbers the records .*: give it as the id, or drop it"):
        told = load(source)
    np.testing.assert_array_equal(told.x[:, -1], number)
    assert load(source, drop=["row"]).x.shape[1] == told.x.shape[1] - 1


def test_a_column_without_a_name_is_numbered_and_may_be_dropped_or_be_the_id(tmp_path):
    FRAME.drop(columns="id").to_csv(tmp_path / "indexed.csv")  # pandas writes its index along
    with pytest.warns(InputWarning, match="column 'column 1' numbers the records"):
        load(tmp_path / "indexed.csv")
    np.testing.assert_array_equal(load(tmp_path / "indexed.csv", drop=["column 1"]).x, load(FRAME).x)
    assert load(tmp_path / "indexed.csv", id="column 1").ids == tuple(map(str, range(40)))


def test_a_record_in_the_place_of_the_names_is_refused(tmp_path):
    (tmp_path / "bare.csv").write_text("5.1,3.5,1.4,a\n4.9,3.0,1.5,b\n4.7,3.2,1.3,a\n5.0,3.1,1.2,b\n")
    with pytest.raises(InputError, match=r"named 5.1, 3.5, 1.4, a, which seems to be a record: write a line of names"):
        load(tmp_path / "bare.csv", label="a")
    years = {"2020": [0.1, 0.2, 0.3], "2021": [0.4, 0.5, 0.7], "2021_1": [0.4, 0.6, 0.7], "y": [0, 1, 0]}
    for names in (["2020", "2021", "2021_1", "y"], ["2021_1", "2021", "2020", "y"]):
        assert load(pandas.DataFrame(years)[names]).x.shape == (3, 3)


def test_columns_of_a_frame_that_numbers_name_may_be_in_any_order():
    numbered = pandas.DataFrame(np.arange(24.0).reshape(4, 6) ** 2).assign(label=[0, 1, 0, 1])
    np.testing.assert_array_equal(load(numbered[[3, 0, 5, "label"]]).x, numbered[[3, 0, 5]])
    shares = numbered[[0, 1, 2, "label"]].rename(columns={0: 0.25, 1: 0.5, 2: 0.75})
    np.testing.assert_array_equal(load(shares).x, numbered[[0, 1, 2]])
    with pytest.raises(InputError, match="seems to be a record"):
        load(shares.rename(columns=str))


def test_text_that_parquet_keeps_as_views_is_text_and_bytes_of_another_encoding_are_told(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    text = {"label": ["a", "b", "a"], "ward": ["north", "south", "south"]}
    parquet.write_table(
        pyarrow.table({key: pyarrow.array(values, pyarrow.string_view()) for key, values in text.items()}),
        tmp_path / "views.parquet",
    )
    dataset = load(tmp_path / "views.parquet")
    assert (dataset.names, dataset.features) == (("a", "b"), ("ward_north", "ward_south"))
    assert dataset.x[:, 1].tolist() == [0, 1, 1]
    (tmp_path / "latin.csv").write_bytes("label,ward\na,Süd\nb,Ost\n".encode("latin-1"))
    with pytest.raises(InputError, match="column 'ward' holds bytes that are no UTF-8: write the file in UTF-8"):
        load(tmp_path / "latin.csv")


@pytest.mark.parametrize("role", ["id", "categories"])
def test_names_that_are_numbers_too_large_to_be_told_apart_are_refused(tmp_path, role):
    """The first two are one number in float64, in which CSV files with them are read."""
    path = tmp_path / "large.csv"
    path.write_text("n,age,label\n12345678901234567890,1,a\n12345678901234567891,2,b\n3,3,a\n")
    with pytest.raises(
        InputError, match=r"column 'n' holds 1234567890123456\d+, and numbers are read exactly up to 9007199254740992"
    ):
        load(path, **{role: "n"})


def test_nan_and_nothing_are_missing_in_categories_too(tmp_path):
    table = pyarrow.table({"a": [1.0, float("nan"), 2.0, 1.0], "label": [0, 1, 0, 1]})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="'a' has no value in 1 of 4 records, first in record 1"):
        load(tmp_path / "a.parquet", categories=["a"])
    values = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, 1, 1, 2]), pyarrow.array(["u", None, "v"]))
    columns = files.columns_of(pyarrow.table({"a": values, "label": [0, 1, 0, 1]}), "a", Declarations())
    with pytest.raises(InputError, match="'a' has no value in 2 of 4 records, first in record 1"):
        tables.from_columns(columns, tables.Roles(), name="a")


def test_records_of_one_named_class_are_refused_for_that(tmp_path):
    (tmp_path / "patients.csv").write_text("a,label\n1,ill\n2,ill\n0,ill\n")
    with pytest.raises(InputError, match="every record has the label ill: a classifier needs at least two classes"):
        load(str(tmp_path / "patients.csv"))
