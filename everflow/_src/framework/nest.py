"""`tf.nest`: nested structures of lists, tuples, dicts and the like, with anything else as leaves.

What counts as nested stands in `nest_kinds.py`; the algorithms here ask it and restate no rule.
"""

import collections.abc

from everflow._src.framework.export import export, export_constant
from everflow._src.framework.nest_kinds import (
    ASK,
    ATTRS,
    COMPOSITE,
    EXPANDED,
    MAPPING,
    NAMED_TUPLE,
    PLAIN,
    SEQUENCE,
    SPEC,
    class_of,
    kind_of,
    rebuild,
)


def _flatten_into(parts, leaves, kinds):
    for part in parts:
        kind = kinds[type(part)]
        if kind is ASK:
            kind = kind_of(part, kinds)
        if kind is None:
            leaves.append(part)
        elif kind is SEQUENCE or kind is NAMED_TUPLE:
            _flatten_into(part, leaves, kinds)
        else:
            _flatten_into(kind.children(part), leaves, kinds)


def _pack(structure, next_leaf, kinds):
    kind = kinds[type(structure)]
    if kind is ASK:
        kind = kind_of(structure, kinds)
    if kind is None:
        return next_leaf()
    parts = [
        next_leaf() if kinds[type(part)] is None else _pack(part, next_leaf, kinds)
        for part in kind.children(structure)
    ]
    cls = type(structure)
    if cls is list:
        return parts
    if cls is tuple:
        return tuple(parts)
    return rebuild(structure, kind, parts)


def _shown(x):
    text = repr(x)
    return f"{text if len(text) <= 200 else text[:200] + '...'} (type {type(x).__name__})"


@export("nest.is_nested", v1=["nest.is_nested", "contrib.framework.nest.is_nested"])
def is_nested(seq):
    """Returns True if `seq` is a list, tuple, dict or another nested structure, even an empty one.

    >>> import everflow as tf
    >>> tf.nest.is_nested([1]), tf.nest.is_nested("text"), tf.nest.is_nested({1, 2})
    (True, False, False)
    """
    return kind_of(seq, PLAIN) is not None


# Its name in 1.x.
is_sequence = is_nested
export_constant(__name__, "is_sequence", v1=["contrib.framework.nest.is_sequence"])


def is_nested_or_composite(seq):
    """Returns True if `seq` is a nested structure, a composite tensor or the spec of one."""
    return kind_of(seq, EXPANDED) is not None


is_sequence_or_composite = is_nested_or_composite


def is_attrs(obj):
    """Returns True if `obj` is an object of a class made with attrs."""
    return kind_of(obj, PLAIN) is ATTRS


def is_mapping(obj):
    """Returns True if `obj` is a mapping."""
    return isinstance(obj, collections.abc.Mapping)


def is_namedtuple(instance, strict=False):
    """Returns True if `instance` is a named tuple; with `strict`, not one of a subclass of a named tuple."""
    if kind_of(instance, PLAIN) is not NAMED_TUPLE:
        return False
    return not strict or class_of(instance).__base__ is tuple


def same_namedtuples(nest1, nest2):
    """Returns True if two named tuples have the same class name and the same fields."""
    return type(nest1).__name__ == type(nest2).__name__ and nest1._fields == nest2._fields


@export("nest.flatten", v1=["nest.flatten", "contrib.framework.nest.flatten"])
def flatten(structure, expand_composites=False):
    """Returns the leaves of `structure` as a list, depth first; mappings in the order of their sorted keys.

    >>> import everflow as tf
    >>> tf.nest.flatten({"b": [1, (2, 3)], "a": 4})
    [4, 1, 2, 3]

    Args:
      structure: A nested structure or a leaf.
      expand_composites: Whether composite tensors, such as `tf.RaggedTensor`, are taken apart.

    Raises:
      TypeError: If the keys of a mapping cannot be sorted.
    """
    kinds = EXPANDED if expand_composites else PLAIN
    leaves = []
    _flatten_into((structure,), leaves, kinds)
    return leaves


@export("nest.pack_sequence_as", v1=["nest.pack_sequence_as", "contrib.framework.nest.pack_sequence_as"])
def pack_sequence_as(structure, flat_sequence, expand_composites=False):
    """Returns a structure like `structure` whose leaves are the items of `flat_sequence`.

    >>> import everflow as tf
    >>> tf.nest.pack_sequence_as({"b": 0, "a": [0, 0]}, [1, 2, 3])
    {'b': 3, 'a': [1, 2]}

    Args:
      structure: A nested structure or a leaf.
      flat_sequence: The new leaves, in the order in which `flatten` gives them: a list or another sequence.
      expand_composites: Whether composite tensors are put together from their components.

    Raises:
      TypeError: If `flat_sequence` is no sequence, or the keys of a mapping cannot be sorted.
      ValueError: If the number of leaves is not the number of items.
    """
    kinds = EXPANDED if expand_composites else PLAIN
    if type(flat_sequence) is not list and not is_nested_or_composite(flat_sequence):
        raise TypeError(
            f"The leaves to pack must be a list or another sequence. Received: {_shown(flat_sequence)}"
        )
    flat = list(flat_sequence)
    if kind_of(structure, kinds) is None:
        if len(flat) != 1:
            raise ValueError(
                f"The structure is a leaf, {_shown(structure)}, so one item is needed to pack it. "
                f"Received {len(flat)}: {_shown(flat_sequence)}"
            )
        return flat[0]
    expected = len(flatten(structure, expand_composites))
    if expected != len(flat):
        raise ValueError(
            f"The structure has {expected} leaves, but {len(flat)} items were given to pack into it. "
            f"Structure: {_shown(structure)}. Received: {_shown(flat_sequence)}"
        )
    return _pack(structure, iter(flat).__next__, kinds)


def _difference(first, second, check_types, kinds):
    """Returns (error class, reason) for the first difference of two structures, or None."""
    kind, other_kind = kind_of(first, kinds), kind_of(second, kinds)
    if kind is None and other_kind is None:
        return None
    composites = (COMPOSITE, SPEC)
    if kind is None or other_kind is None or (kind in composites) != (other_kind in composites):
        return ValueError, f"{_shown(first)} stands where the other has {_shown(second)}"
    if kind in composites:
        first_spec = first if kind is SPEC else first._type_spec
        second_spec = second if other_kind is SPEC else second._type_spec
        if first_spec.most_specific_common_supertype([second_spec]) is None:
            return ValueError, f"the composite tensors differ in type: {first_spec} and {second_spec}"
        return None
    if check_types and not (kind is SEQUENCE and type(first) is type(second)):
        if kind is NAMED_TUPLE and other_kind is NAMED_TUPLE:
            same = same_namedtuples(first, second)
        elif kind is MAPPING and other_kind is MAPPING:
            if set(first) != set(second):
                return ValueError, f"the keys differ: {list(first)} and {list(second)}"
            same = True
        else:
            classes = (class_of(first), class_of(second))
            same = classes[0] is classes[1] or all(issubclass(cls, list) for cls in classes)
        if not same:
            return TypeError, f"the types differ: {_shown(first)} and {_shown(second)}"
    parts, other_parts = kind.children(first), other_kind.children(second)
    if len(parts) != len(other_parts):
        return ValueError, (
            f"the numbers of elements differ: {len(parts)} in {_shown(first)}, "
            f"{len(other_parts)} in {_shown(second)}"
        )
    for part, other_part in zip(parts, other_parts):
        if kinds[type(part)] is None and kinds[type(other_part)] is None:
            continue
        found = _difference(part, other_part, check_types, kinds)
        if found is not None:
            return found
    return None


@export(
    "nest.assert_same_structure",
    v1=["nest.assert_same_structure", "contrib.framework.nest.assert_same_structure"],
)
def assert_same_structure(nest1, nest2, check_types=True, expand_composites=False):
    """Raises an error unless two structures are nested alike; their leaves do not matter.

    Args:
      nest1: A nested structure or a leaf.
      nest2: Another one.
      check_types: Whether the classes of sequences and the keys of mappings must agree too. All mappings are
        of one type in this sense, and so are all subclasses of list, and named tuples of equal names and
        fields.
      expand_composites: Whether composite tensors must agree in type.

    Raises:
      ValueError: If the structures are nested differently, or mappings differ in their keys.
      TypeError: If two sequences differ in type and `check_types` is True.
    """
    if nest1 is nest2:
        return
    found = _difference(nest1, nest2, check_types, EXPANDED if expand_composites else PLAIN)
    if found is not None:
        error, reason = found
        raise error(
            f"The structures are not nested alike: {reason}.\n"
            f"First structure: {_shown(nest1)}\nSecond structure: {_shown(nest2)}"
        )


def _options(kwargs):
    """Takes `check_types` and `expand_composites` out of `kwargs`."""
    return kwargs.pop("check_types", True), kwargs.pop("expand_composites", False)


@export("nest.map_structure", v1=["nest.map_structure", "contrib.framework.nest.map_structure"])
def map_structure(func, *structure, **kwargs):
    """Returns a structure like the first one, whose leaves are `func` of the leaves of all structures.

    >>> import everflow as tf
    >>> tf.nest.map_structure(lambda x, y: x + y, [1, {"a": 2}], [10, {"a": 20}])
    [11, {'a': 22}]

    Args:
      func: A function of as many leaves as there are structures.
      *structure: Structures that are nested alike.
      **kwargs: `check_types` and `expand_composites`, as in `assert_same_structure`.

    Raises:
      TypeError: If `func` cannot be called, or two sequences differ in type.
      ValueError: If no structure is given, the structures are nested differently, or for other keywords.
    """
    if not callable(func):
        raise TypeError(f"The first argument of map_structure must be a function. Received: {_shown(func)}")
    if not structure:
        raise ValueError("map_structure needs at least one structure. Received none.")
    check_types, expand_composites = _options(kwargs)
    if kwargs:
        raise ValueError(
            "map_structure knows the keywords check_types and expand_composites. "
            f"Received: {', '.join(kwargs)}"
        )
    kinds = EXPANDED if expand_composites else PLAIN
    first = structure[0]
    if len(structure) == 1:
        if kind_of(first, kinds) is None:
            return func(first)
        leaves = [func(leaf) for leaf in flatten(first, expand_composites)]
    else:
        for other in structure[1:]:
            assert_same_structure(first, other, check_types, expand_composites)
        columns = [flatten(one, expand_composites) for one in structure]
        leaves = [func(*row) for row in zip(*columns)]
    return _pack(first, iter(leaves).__next__, kinds)


# Structures that go deeper than another, the shallow one.


@export(v1=["contrib.framework.nest.assert_shallow_structure"])
def assert_shallow_structure(shallow_tree, input_tree, check_types=True, expand_composites=False):
    """Raises an error unless `input_tree` is nested at least as deeply as `shallow_tree`, and alike so far.

    Args:
      shallow_tree: The structure to follow; its leaves do not matter.
      input_tree: The structure that may hold more structures where `shallow_tree` has leaves.
      check_types: Whether a sequence must be an instance of the class of the one in `shallow_tree`.
      expand_composites: Whether composite tensors are taken apart.

    Raises:
      TypeError: If a leaf stands where `shallow_tree` is nested, or sequences differ in type.
      ValueError: If sequences differ in length or mappings in their keys.
    """
    kinds = EXPANDED if expand_composites else PLAIN
    for _ in _walk_up_to(shallow_tree, (input_tree,), check_types, kinds, ()):
        pass


def _check_shallow(shallow, kind, deep, deep_kind, check_types):
    if deep_kind is None:
        raise TypeError(
            f"The shallow structure has {_shown(shallow)} where the other has the leaf {_shown(deep)}."
        )
    composites = (COMPOSITE, SPEC)
    if (kind in composites) != (deep_kind in composites):
        raise TypeError(
            f"Only one of two parts is a composite tensor. Shallow: {_shown(shallow)}. Other: {_shown(deep)}."
        )
    if kind in composites:
        spec = shallow if kind is SPEC else shallow._type_spec
        deep_spec = deep if deep_kind is SPEC else deep._type_spec
        if spec.most_specific_common_supertype([deep_spec]) is None:
            raise ValueError(f"The composite tensors differ in type: {spec} and {deep_spec}.")
        return
    if check_types and not issubclass(class_of(deep), class_of(shallow)):
        same = (kind is MAPPING and deep_kind is MAPPING) or (
            kind is NAMED_TUPLE and deep_kind is NAMED_TUPLE and same_namedtuples(shallow, deep)
        )
        if not same:
            raise TypeError(f"The types differ. Shallow: {_shown(shallow)}. Other: {_shown(deep)}.")
    count, deep_count = len(kind.children(shallow)), len(deep_kind.children(deep))
    if count != deep_count:
        raise ValueError(
            f"The lengths differ: {count} in the shallow {_shown(shallow)}, {deep_count} in {_shown(deep)}."
        )
    if kind is MAPPING and deep_kind is MAPPING and check_types and set(shallow) - set(deep):
        missing = sorted(set(shallow) - set(deep))
        raise ValueError(f"Keys of the shallow structure are missing in the other: {missing}.")


def _walk_up_to(shallow, deeps, check_types, kinds, path):
    """Yields (path, parts of all `deeps`) for each leaf of `shallow`."""
    kind = kind_of(shallow, kinds)
    if kind is None:
        yield path, deeps
        return
    columns = []
    for deep in deeps:
        deep_kind = kind_of(deep, kinds)
        _check_shallow(shallow, kind, deep, deep_kind, check_types)
        columns.append(list(deep_kind.children(deep)))
    keys = list(kind.keys(shallow))
    parts = list(kind.children(shallow))
    if kind in (COMPOSITE, SPEC):
        # The parts inside a composite have no names that would mean anything, nor types that must agree.
        check_types = False
    for position, part in enumerate(parts):
        row = tuple(column[position] for column in columns)
        yield from _walk_up_to(part, row, check_types, kinds, (*path, keys[position]))


@export(v1=["contrib.framework.nest.flatten_up_to"])
def flatten_up_to(shallow_tree, input_tree, check_types=True, expand_composites=False):
    """Returns the parts of `input_tree` that stand where `shallow_tree` has leaves, as a list.

    Raises:
      TypeError, ValueError: As `assert_shallow_structure`.
    """
    kinds = EXPANDED if expand_composites else PLAIN
    return [parts[0] for _, parts in _walk_up_to(shallow_tree, (input_tree,), check_types, kinds, ())]


def flatten_with_tuple_paths_up_to(shallow_tree, input_tree, check_types=True, expand_composites=False):
    """Returns a list of (path, part) for the parts of `input_tree` where `shallow_tree` has leaves.

    Raises:
      TypeError, ValueError: As `assert_shallow_structure`.
    """
    kinds = EXPANDED if expand_composites else PLAIN
    walk = _walk_up_to(shallow_tree, (input_tree,), check_types, kinds, ())
    return [(path, parts[0]) for path, parts in walk]


@export(v1=["contrib.framework.nest.map_structure_up_to"])
def map_structure_up_to(shallow_tree, func, *inputs, **kwargs):
    """Returns a structure like `shallow_tree`, whose leaves are `func` of the parts of all `inputs` there.

    Args:
      shallow_tree: The structure to follow.
      func: A function of as many parts as there are inputs.
      *inputs: Structures at least as deep as `shallow_tree`.
      **kwargs: `check_types` and `expand_composites`; all others go to `func`.

    Raises:
      ValueError: If there is no input, and as `assert_shallow_structure`.
      TypeError: As `assert_shallow_structure`.
    """
    return map_structure_with_tuple_paths_up_to(
        shallow_tree, lambda path, *parts, **rest: func(*parts, **rest), *inputs, **kwargs
    )


def map_structure_with_tuple_paths_up_to(shallow_tree, func, *inputs, **kwargs):
    """Like `map_structure_up_to`, but `func` receives the path, a tuple of keys and indices, first."""
    if not inputs:
        raise ValueError("At least one structure is needed to map over. Received none.")
    check_types, expand_composites = _options(kwargs)
    kinds = EXPANDED if expand_composites else PLAIN
    # All checks come before the first call of `func`.
    rows = list(_walk_up_to(shallow_tree, inputs, check_types, kinds, ()))
    leaves = [func(path, *parts, **kwargs) for path, parts in rows]
    return _pack(shallow_tree, iter(leaves).__next__, kinds)


@export(v1=["contrib.framework.nest.get_traverse_shallow_structure"])
def get_traverse_shallow_structure(traverse_fn, structure, expand_composites=False):
    """Returns a shallow structure of bools: True at the leaves of `structure` that were reached.

    Args:
      traverse_fn: A function of a part that says whether to go into it: a bool, or a structure of bools that
        is a shallow one of the part.
      structure: The structure to go through.
      expand_composites: Whether composite tensors are taken apart.

    Raises:
      TypeError: If `traverse_fn` returns something else.
    """
    kinds = EXPANDED if expand_composites else PLAIN
    answer = traverse_fn(structure)
    kind = kind_of(structure, kinds)
    if kind is None or isinstance(answer, bool):
        if not isinstance(answer, bool):
            raise TypeError(f"traverse_fn must return a bool for a leaf. Received: {_shown(answer)}")
        if kind is None or not answer:
            return answer
        answers = [True] * len(kind.children(structure))
    elif kind_of(answer, kinds) is None:
        raise TypeError(f"traverse_fn must return a bool or a structure of bools. Received: {_shown(answer)}")
    else:
        assert_shallow_structure(answer, structure, expand_composites=expand_composites)
        answers = list(kind_of(answer, kinds).children(answer))
    parts = []
    for go, part in zip(answers, kind.children(structure)):
        if not isinstance(go, bool):
            raise TypeError(f"traverse_fn must return a structure of bools. Received the part: {_shown(go)}")
        parts.append(get_traverse_shallow_structure(traverse_fn, part, expand_composites) if go else False)
    return rebuild(structure, kind, parts)


# Paths.


def _walk(structure, kinds, path):
    kind = kind_of(structure, kinds)
    if kind is None:
        yield path, structure
        return
    keys = kind.keys(structure)
    for key, part in zip(keys, kind.children(structure)):
        yield from _walk(part, kinds, (*path, key))


@export(v1=["contrib.framework.nest.yield_flat_paths"])
def yield_flat_paths(nest, expand_composites=False):
    """Yields the path of each leaf: a tuple of dict keys, field names and indices."""
    for path, _ in _walk(nest, EXPANDED if expand_composites else PLAIN, ()):
        yield path


def flatten_with_tuple_paths(structure, expand_composites=False):
    """Returns a list of (path, leaf), a path being a tuple of dict keys, field names and indices."""
    return list(_walk(structure, EXPANDED if expand_composites else PLAIN, ()))


@export(v1=["contrib.framework.nest.flatten_with_joined_string_paths"])
def flatten_with_joined_string_paths(structure, separator="/", expand_composites=False):
    """Returns a list of (path, leaf), a path being one text with `separator` between its parts."""
    pairs = flatten_with_tuple_paths(structure, expand_composites)
    return [(separator.join(map(str, path)), leaf) for path, leaf in pairs]


def map_structure_with_tuple_paths(func, *structure, **kwargs):
    """Like `map_structure`, but `func` receives the path, a tuple, first; other keywords go to `func`."""
    if not structure:
        raise ValueError("At least one structure is needed to map over. Received none.")
    return map_structure_with_tuple_paths_up_to(structure[0], func, *structure, **kwargs)


@export(v1=["contrib.framework.nest.map_structure_with_paths"])
def map_structure_with_paths(func, *structure, **kwargs):
    """Like `map_structure_with_tuple_paths`, but the path is one text with slashes between its parts."""

    def with_text(path, *leaves, **rest):
        return func("/".join(map(str, path)), *leaves, **rest)

    return map_structure_with_tuple_paths(with_text, *structure, **kwargs)


# Helpers that 1.x programs reach for.


@export(v1=["contrib.framework.nest.flatten_dict_items"])
def flatten_dict_items(dictionary):
    """Returns a dict in which nested keys and values are taken apart together.

    `{("a", "b"): (1, 2)}` becomes `{"a": 1, "b": 2}`.

    Raises:
      TypeError: If `dictionary` is no mapping.
      ValueError: If a key and its value are nested differently, or a key appears twice.
    """
    if not isinstance(dictionary, collections.abc.Mapping):
        raise TypeError(f"A mapping was expected. Received: {_shown(dictionary)}")
    flat = {}
    for key, value in dictionary.items():
        if not is_nested(key):
            keys, values = [key], [value]
        else:
            keys, values = flatten(key), flatten(value)
            if len(keys) != len(values):
                raise ValueError(
                    f"A key with {len(keys)} parts needs a value with as many. Received: {key!r}: {value!r}"
                )
        for one_key, one_value in zip(keys, values):
            if one_key in flat:
                raise ValueError(f"The key {one_key!r} appears twice in {_shown(dictionary)}.")
            flat[one_key] = one_value
    return flat


def list_to_tuple(structure):
    """Returns `structure` with every list in it replaced by a tuple."""
    kind = kind_of(structure, PLAIN)
    if kind is None:
        return structure
    parts = [list_to_tuple(part) for part in kind.children(structure)]
    return tuple(parts) if issubclass(class_of(structure), list) else rebuild(structure, kind, parts)
