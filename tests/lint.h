/* lint.h -- the loops of jansson as cppcheck can read them. */
#define json_array_foreach(array, index, value) for (index = 0; (value = json_array_get(array, index)) != NULL; index++)
#define json_object_foreach(object, key, value) for (key = NULL; (value = json_object_get(object, key)) != NULL;)
