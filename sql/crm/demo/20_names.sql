-- Lists are short and combined at random: some thousand full names a region, enough for
-- a fleet of any size to look like people rather than like numbers.

CREATE OR REPLACE FUNCTION demo.pick(list text[], u double precision)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT list[1 + floor(u * cardinality(list))::integer]
$$;

CREATE OR REPLACE FUNCTION demo.russian_first_name(is_woman boolean, u double precision)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN is_woman THEN demo.pick(ARRAY[
        'Анна', 'Мария', 'Елена', 'Ольга', 'Наталья', 'Татьяна', 'Ирина', 'Светлана',
        'Екатерина', 'Юлия', 'Дарья', 'Алина', 'Вера', 'Галина', 'Людмила', 'Ксения'], u)
    ELSE demo.pick(ARRAY[
        'Александр', 'Дмитрий', 'Сергей', 'Андрей', 'Алексей', 'Иван', 'Михаил', 'Николай',
        'Павел', 'Олег', 'Виктор', 'Юрий', 'Фёдор', 'Роман', 'Григорий', 'Константин'], u)
    END
$$;

-- Only surnames whose feminine form is the masculine one with an "а".
CREATE OR REPLACE FUNCTION demo.russian_last_name(is_woman boolean, u double precision)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT demo.pick(ARRAY[
        'Иванов', 'Смирнов', 'Кузнецов', 'Попов', 'Васильев', 'Петров', 'Соколов', 'Михайлов',
        'Новиков', 'Фёдоров', 'Морозов', 'Волков', 'Алексеев', 'Лебедев', 'Семёнов', 'Егоров',
        'Павлов', 'Козлов', 'Степанов', 'Николаев', 'Орлов', 'Андреев', 'Макаров', 'Никитин',
        'Захаров', 'Зайцев', 'Соловьёв', 'Борисов', 'Яковлев', 'Григорьев', 'Ильин', 'Щукин'], u)
        || CASE WHEN is_woman THEN 'а' ELSE '' END
$$;

CREATE OR REPLACE FUNCTION demo.russian_patronymic(is_woman boolean, u double precision)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT demo.pick(ARRAY[
        'Александров', 'Дмитриев', 'Сергеев', 'Андреев', 'Алексеев', 'Иванов', 'Михайлов',
        'Николаев', 'Павлов', 'Олегов', 'Викторов', 'Юрьев', 'Фёдоров', 'Петров',
        'Владимиров', 'Анатольев'], u)
        || CASE WHEN is_woman THEN 'на' ELSE 'ич' END
$$;

CREATE OR REPLACE FUNCTION demo.european_first_name(u double precision)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT demo.pick(ARRAY[
        'Anna', 'Zoë', 'François', 'José', 'Łukasz', 'Małgorzata', 'Jürgen', 'Käthe',
        'Søren', 'Åsa', 'Matěj', 'Božena', 'Jean-Luc', 'Inês', 'João', 'Chloé',
        'Paul', 'Emma', 'Luca', 'Giulia', 'Niamh', 'Seán', 'Ilse', 'Hugo',
        'Réka', 'László', 'Ana', 'Mateja', 'Elif', 'Marta', 'Oliver', 'Sofia'], u)
$$;

CREATE OR REPLACE FUNCTION demo.european_last_name(u double precision)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT demo.pick(ARRAY[
        'Müller', 'Schäfer', 'Groß', 'Weber', 'Dvořák', 'Nováková', 'Kowalski', 'Wójcik',
        'Lefèvre', 'Dupont', 'García', 'Núñez', 'Rossi', 'D''Angelo', 'Sørensen', 'Åkesson',
        'O''Brien', 'Byrne', 'van der Meer', 'De Smet', 'Horváth', 'Szabó', 'Gonçalves', 'Araújo',
        'Žižka', 'Kovačić', 'Virtanen', 'Mäkinen', 'Popescu', 'Ștefan', 'Øvergård', 'Smith'], u)
$$;
